"""What of two sums of traffic is compared, and what the comparison says. Pure.

A change counts when it is both proven and large: the evidence bounds how often chance alone is called a change, and with enough
traffic every harmless difference is proven.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log
from typing import NamedTuple

from schemas.drift import DriftKind
from schemas.fields import UNKNOWN
from workers.promising.two_samples import Counts, burst, evidence, rise, stability, times
from workers.stateful.seasons import Rule
from workers.summing import CONFIDENCE, Row

SHIFTS = (DriftKind.LABELS, DriftKind.CONFIDENCE)  # distributions; the others are shares and costs that rise
_KEPT = ("messages", "escalated", "dead", "labels", "confidence")
_REST = "other"
_LEAST_LOOKS = 6  # of a cost, before its spread is known
_UNTRIED = float("-inf")


class Subject(NamedTuple):
    """What of a tenant's and a model's traffic is compared."""

    kind: DriftKind
    field: str | None

    def __str__(self) -> str:
        return f"{self.kind.value}:{self.field or ''}"


@dataclass(frozen=True, slots=True)
class Compared:
    """What a comparison says. `evidence` is a natural logarithm; of what is not large it need not be known."""

    size: float
    limit: float
    large: bool
    small: bool  # well below the limit: what ends an alert
    evidence: float


class Spending(NamedTuple):
    """Costs of looks: how many, their sum, the sum of their squares, and of how many messages."""

    looks: int = 0
    total: float = 0.0
    squares: float = 0.0
    messages: int = 0

    def plus(self, other: "Spending") -> "Spending":
        looks, messages = self.looks + other.looks, self.messages + other.messages
        return Spending(looks, self.total + other.total, self.squares + other.squares, messages)


def kept_of(sums: Row) -> Row:
    """Return what of a row's sums is compared."""
    return {name: sums[name] for name in _KEPT if name in sums}


def samples(sums: Row) -> dict[Subject, Counts]:
    """Return the counts that are compared, by what they are of."""
    messages, found = sums.get("messages", 0), dict[Subject, Counts]()
    for kind in (DriftKind.ESCALATED, DriftKind.DEAD):
        count = sums.get(kind.value, 0)
        found[Subject(kind, None)] = {kind.value: count, _REST: messages - count}
    for field, labels in sums.get("labels", {}).items():
        known = {label: count for label, count in labels.items() if label != UNKNOWN}
        found[Subject(DriftKind.LABELS, field)] = known
        found[Subject(DriftKind.UNKNOWN, field)] = {UNKNOWN: labels.get(UNKNOWN, 0), _REST: sum(known.values())}
    for field, classes in sums.get("confidence", {}).items():
        bounds = [*(f"{bound:g}" for bound in CONFIDENCE), "more"]
        counts = {bound: count for bound, count in zip(bounds, classes, strict=True) if count}
        found[Subject(DriftKind.CONFIDENCE, field)] = counts
    return found


def compared(subject: Subject, looks: Sequence[Counts], before: Counts, rule: Rule) -> Compared:
    """Return what the samples of now, each tested by itself, say against the one of before; the size is of the clearest.

    Their evidence is averaged, so that together they err no more often than one.
    """
    if subject.kind in SHIFTS:
        each = [_shifted(now, before, rule) for now in looks]
    else:
        each = [_risen(subject, now, before, rule) for now in looks]
    return _together(each)


def overspent(looks: Sequence[Spending], before: Spending, rule: Rule) -> Compared:
    """Return what the spendings of now, each tested by itself, say against that of before.

    Costs are counted in units of what makes the looks of before vary as a Poisson count does, and of a message's cost at least:
    traffic in bursts proves less.
    """
    if before.looks < _LEAST_LOOKS or before.total <= 0.0:
        return Compared(1.0, rule.burst, large=False, small=False, evidence=_UNTRIED)
    mean = before.total / before.looks
    spread = max(0.0, before.squares / before.looks - mean * mean) / mean
    unit = max(spread, before.total / max(1, before.messages))
    each = []
    for now in looks:
        ratio = now.total / now.looks / mean
        won = burst(now.total / unit, now.looks, before.total / unit, before.looks)
        each.append(Compared(ratio, rule.burst, ratio >= rule.burst, ratio < _halfway(rule.burst), won))
    return _together(each)


def _shifted(now: Counts, before: Counts, rule: Rule) -> Compared:
    size = stability(now, before)
    large = size >= rule.stability
    return Compared(size, rule.stability, large, size < rule.stability / 2, evidence(now, before) if large else _UNTRIED)


def _risen(subject: Subject, now: Counts, before: Counts, rule: Rule) -> Compared:
    name = subject.kind.value
    counts = now[name], sum(now.values()), before.get(name, 0), sum(before.values())
    size = times(*counts)
    points = counts[0] / max(1, counts[1]) - counts[2] / max(1, counts[3])
    large = size >= rule.times and points >= rule.points
    return Compared(size, rule.times, large, size < _halfway(rule.times) or points < rule.points / 2, rise(*counts))


def _together(each: Sequence[Compared]) -> Compared:
    clearest = max(each, key=lambda one: (one.large, one.evidence))
    top = max(one.evidence for one in each)
    together = top if top == _UNTRIED else top + log(sum(exp(one.evidence - top) for one in each) / len(each))
    return Compared(clearest.size, clearest.limit, clearest.large, clearest.small, together)


def _halfway(limit: float) -> float:
    return (1.0 + limit) / 2
