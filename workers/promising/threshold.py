"""The threshold that keeps a promise: fixed-sequence testing with exact binomial tails. Pure.

The promise is `error` at `confidence`: with probability `confidence` over the draw of the examples, at most a share `error`
of what reaches the threshold is wrong. Thresholds are tested from strict to lax, each at the full risk `1 - confidence`, and
the first failure ends the sequence, so there is nothing to correct for (Learn then Test, arXiv:2110.01052; Trust or Escalate,
arXiv:2407.18370). The sequence must not be chosen by looking at what is right: it comes from the scores alone, of unlabelled
traffic where there is some. It starts where so many examples are accepted that a few errors among them still pass, and with
many examples at their strictest tenth: a start with too few has no power.

It assumes that examples are drawn as traffic is, and that wrong answers are not more frequent above a threshold than right
below it.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import NamedTuple

from workers.promising.binomial import at_most, least_sample, upper_bound

ANY, NONE = -1.0, 1.0
"""Every score is above the one, none above the other."""

_ERRORS_AT_START = 5
_STEP = 0.02
_START_SHARE = 3  # a start within the strictest third leaves room to loosen
_STRICTEST = 10


class Example(NamedTuple):
    """An answer's score, and whether it is right."""

    score: float
    right: bool


@dataclass(frozen=True, slots=True)
class Kept:
    """The laxest threshold that passed: `wrong` of `accepted` examples reach it wrongly, and `bound` is their error at most."""

    least: float
    accepted: int
    wrong: int
    bound: float


@dataclass(frozen=True, slots=True)
class NotKept:
    """No threshold passed. `missing` is how many more examples may be enough, None when more would not help by themselves."""

    accepted: int
    wrong: int
    missing: int | None


def keep(
    examples: Sequence[Example], unlabelled: Sequence[float], error: float, risk: float, above: float = ANY
) -> Kept | NotKept:
    """Return the threshold that keeps `error` with the probability `1 - risk`. `unlabelled` scores may be none.

    No threshold at or below `above` is taken, whatever it keeps: where it ends the sequence at the first step, `accepted` is 0.
    """
    start = start_of(len(examples), error, risk)
    if len(examples) < start:
        return NotKept(len(examples), sum(not one.right for one in examples), start - len(examples))
    ordered = sorted(examples, key=lambda one: -one.score)
    falling = [-one.score for one in ordered]
    errors = [0]
    for one in ordered:
        errors.append(errors[-1] + (not one.right))
    kept: Kept | None = None
    accepted = wrong = 0
    for least in sequence_of([one.score for one in ordered], unlabelled, start):
        if least <= above:
            break
        accepted = bisect_right(falling, -least)
        wrong = errors[accepted]
        if at_most(wrong, accepted, error) > risk:
            break
        kept = Kept(least, accepted, wrong, 0.0)
    if kept is None:
        return NotKept(accepted, wrong, _missing(accepted, wrong, len(examples), error, risk))
    return Kept(kept.least, kept.accepted, kept.wrong, upper_bound(kept.wrong, kept.accepted, risk))


def least_escalated(base_error: float, error: float) -> float:
    """Return the share that no rule can avoid to escalate when a share `base_error` of all answers is wrong.

    Accepting a share c with an error of at most `error` leaves room for c * error wrong ones; all others must go, and at best
    only wrong ones do (arXiv:2606.29054).
    """
    return max(0.0, (base_error - error) / (1.0 - error))


def start_of(examples: int, error: float, risk: float) -> int:
    """Return how many examples the strictest threshold should accept. It depends on how many there are and on nothing else."""
    start = 0
    for wrong in range(_ERRORS_AT_START, -1, -1):
        start = least_sample(error, risk, wrong)
        if start * _START_SHARE <= examples:
            break
    return max(start, examples // _STRICTEST)


def sequence_of(falling: Sequence[float], unlabelled: Sequence[float], start: int) -> list[float]:
    """Return thresholds from strict to lax: the scores at evenly spaced shares of the traffic, from the start's share on."""
    traffic = sorted(unlabelled, reverse=True) if len(unlabelled) >= start else falling
    first = start / len(falling)
    shares = [first + step * _STEP for step in range(ceil((1.0 - first) / _STEP))] + [1.0]
    scores = [traffic[min(len(traffic), max(1, ceil(share * len(traffic)))) - 1] for share in shares]
    return list(dict.fromkeys(scores))


def _missing(accepted: int, wrong: int, examples: int, error: float, risk: float) -> int | None:
    """Return how many more examples prove the error that was seen among the first accepted, if it is below the promise."""
    if not accepted:
        return None
    if wrong / accepted >= error:
        return None
    needed = accepted
    while at_most(wrong * needed // accepted, needed, error) > risk:
        needed += max(1, needed // 20)
    return ceil(needed * max(_STRICTEST, examples / accepted)) - examples
