"""Trust: how many messages may share a call while their labels stay what they would be alone. Pure.

Sizes are 1, 2, 4 and so on up to `most`, where it begins. Evidence is kept by size: a call counts for the smallest size that
it fits in.

    down    when flips at a size are above the target (`Alarm`), the next smaller size is the largest from now on
    up      when the next larger size would still be bearable if flips grew with the number of neighbours from the bound that
            is shown at the size in use, and a rest since it failed is over; the rest doubles with each failure, so that
            ever fewer messages are spent on a size that is bad

Flips are asked for on a sample only, so a bad size is in use until some hundred comparisons of it are made: nothing that was
published meanwhile is taken back. A size never exceeds `most`, so a calibration that is bound to a largest batch stays valid.
"""

from dataclasses import dataclass, field

from workers.guarding.evidence import Alarm, Scores

RUN_LENGTH = 1_000
"""Comparisons until a false alarm on average, or more, while flips are at the target; below it far more."""

RISK = 0.1
"""Probability with which a bound on the rate of flips ever fails, for each size tried."""

_REST = 500
_MOST_DOUBLINGS = 6


@dataclass(frozen=True, slots=True)
class Flips:
    """What is known of one size: comparisons, the rate of flips seen, and what it is at most."""

    items: int
    compared: int
    rate: float
    bound: float


@dataclass(slots=True)
class _Size:
    items: int
    alarm: Alarm
    scores: Scores = field(default_factory=Scores)
    bound: float = 1.0  # kept, because answers ask for it more often than comparisons change it
    failures: int = 0
    rests_until: float = 0.0


class Trust:
    """See the module's docstring. `share` is the share of messages that are compared, `flips` the rate that is bearable."""

    def __init__(self, most: int, share: float, flips: float) -> None:
        self._flips = flips
        self._rest = _REST / share
        doubled = [1 << power for power in range(1, 16) if 1 << power < most]
        self._sizes = [self._new(items) for items in ([1, *doubled, most] if most > 1 else [1])]
        self._at = len(self._sizes) - 1
        self._answered = 0

    @property
    def items(self) -> int:
        """How many messages a call may hold now."""
        return self._sizes[self._at].items

    def known(self) -> tuple[Flips, ...]:
        """Return what is known of each size that anything is known of."""
        seen = (size for size in self._sizes if size.scores.count)
        return tuple(Flips(size.items, size.scores.count, max(0.0, size.scores.mean), size.bound) for size in seen)

    def answered(self, messages: int) -> None:
        """Take note that so many more messages were answered; try a larger size if it is time for it."""
        self._answered += messages
        if self._at + 1 < len(self._sizes) and self._may_grow():
            self._at += 1

    def compared(self, items: int, score: int) -> None:
        """Take note of what a comparison of a message in a call of so many said: `sampling.Outcome.score`."""
        level = next((level for level, size in enumerate(self._sizes) if items <= size.items), len(self._sizes))
        if not 0 < level <= self._at:
            return  # alone nothing can flip, and what is larger than trusted was judged already
        size = self._sizes[level]
        size.scores.add(score)
        size.bound = size.scores.at_most(RISK)
        if size.alarm.hears(score):
            self._distrust(level)

    def _may_grow(self) -> bool:
        size, larger = self._sizes[self._at], self._sizes[self._at + 1]
        if self._answered < larger.rests_until:
            return False
        return size.items == 1 or size.bound * (larger.items - 1) <= self._flips * (size.items - 1)

    def _distrust(self, level: int) -> None:
        failed = self._sizes[level]
        rest = self._rest * 2 ** min(_MOST_DOUBLINGS, failed.failures)
        for above in range(level, len(self._sizes)):
            before = self._sizes[above]
            self._sizes[above] = self._new(before.items, before.failures, before.rests_until)
        self._sizes[level].failures += 1
        self._sizes[level].rests_until = self._answered + rest
        self._at = level - 1

    def _new(self, items: int, failures: int = 0, rests_until: float = 0.0) -> _Size:
        return _Size(items, Alarm(self._flips, RUN_LENGTH), failures=failures, rests_until=rests_until)
