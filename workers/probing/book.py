"""Which probes are under way, and what became of each. Pure: times are arguments, in seconds of any one clock."""

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

from topics.record import Partition
from workers.probing.items import Item


class Outcome(StrEnum):
    """What became of a probe."""

    RIGHT = "right"
    WRONG = "wrong"  # another label than is expected
    ESCALATED = "escalated"  # though it should have been labelled
    DEAD = "dead"
    MISSING = "missing"  # no event in time
    LATE = "late"  # its event came after it was given up as missing
    DOUBLED = "doubled"  # a second event


@dataclass(frozen=True, slots=True)
class Sent:
    """A probe on its way."""

    id: str
    item: Item
    place: Partition
    at: float


@dataclass(frozen=True, slots=True)
class Found:
    """An event with a probe's mark."""

    kind: Literal["labelled", "escalated", "dead"]
    labels: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one. `wrong` are the fields with another label."""

    sent: Sent
    outcome: Outcome
    seconds: float
    wrong: tuple[str, ...] = ()

    @property
    def good(self) -> bool:
        return self.outcome is Outcome.RIGHT


@dataclass(slots=True)
class Book:
    """Remembers probes until their event comes, and some that are over, so that late and doubled events are known."""

    timeout: float
    most: int = 1_000
    _waiting: dict[str, Sent] = field(default_factory=dict)
    _over: "OrderedDict[str, tuple[Sent, bool]]" = field(default_factory=OrderedDict)

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    @property
    def full(self) -> bool:
        """Whether no more may be sent: as many as are remembered have no event yet."""
        return len(self._waiting) >= self.most

    def send(self, sent: Sent) -> None:
        self._waiting[sent.id] = sent

    def take(self, probe_id: str, found: Found, now: float) -> Result | None:
        """Return what an event makes of its probe, None for one that is not ours."""
        sent = self._waiting.pop(probe_id, None)
        if sent is not None:
            self._remember(sent, answered=True)
            return judged(sent, found, now - sent.at)
        sent, answered = self._over.get(probe_id, (None, False))
        if sent is None:
            return None
        self._remember(sent, answered=True)
        return Result(sent, Outcome.DOUBLED if answered else Outcome.LATE, now - sent.at)

    def overdue(self, now: float) -> Iterator[Result]:
        """Give up on those that have waited too long."""
        for sent in [sent for sent in self._waiting.values() if now - sent.at > self.timeout]:
            del self._waiting[sent.id]
            self._remember(sent, answered=False)
            yield Result(sent, Outcome.MISSING, now - sent.at)

    def _remember(self, sent: Sent, *, answered: bool) -> None:
        self._over[sent.id] = (sent, answered)
        if len(self._over) > self.most:
            self._over.popitem(last=False)


def judged(sent: Sent, found: Found, seconds: float) -> Result:
    """Return whether an event says what is expected."""
    if found.kind == "dead":
        return Result(sent, Outcome.DEAD, seconds)
    wrong = tuple(name for name, label in sent.item.expect.items() if found.labels.get(name) != label)
    if found.kind == "escalated" and sent.item.outcome == "labelled":
        return Result(sent, Outcome.ESCALATED, seconds, wrong)
    return Result(sent, Outcome.WRONG if wrong or found.kind != sent.item.outcome else Outcome.RIGHT, seconds, wrong)
