"""The part of a shared quota that one worker may use: its share, and what it borrows. Pure; time is an argument.

A fleet needs no coordinator to share an account. Each worker's share is that of the partitions it owns, so the shares add up to
one after every rebalance. What somebody leaves unused shows in the provider's headers, which tell of the whole account: a
bucket that refills stays full while less than the limit is used. A worker whose share does not suffice therefore borrows,
little at first and faster while what is left does not fall; when it falls, or the provider refuses, it gives back and waits,
longer each time in vain. Nothing is borrowed unseen: without headers, or with old ones, the share is all.
"""

import math
from dataclasses import dataclass

_FIRST_GAIN, _MOST_GAIN = 0.005, 0.02  # of the limit, per second
_DOUBLES_SECONDS = 5.0
_SMOOTH_SECONDS = 2.0
_FALL = 0.85
_NOTICEABLE = 0.015  # of a minute: what a second's limit holds
_FRESH_SECONDS, _IDLE_SECONDS = 5.0, 10.0
_FIRST_PAUSE, _LONGEST_PAUSE = 10.0, 160.0
_FADE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Part:
    """What may be used of an account's limits: a share of one's own, and what is borrowed; together within [0, 1]."""

    share: float = 1.0
    borrowed: float = 0.0

    @property
    def whole(self) -> float:
        return self.share + self.borrowed


class Loan:
    """Starts with the whole quota; `part` is what may be used of it now."""

    def __init__(self) -> None:
        self.part = Part()
        self._left: float | None = None  # smoothed
        self._usual = 0.0  # the highest of late
        self._told_at = self._held_at = self._changed_at = float("-inf")
        self._gain, self._rest_until, self._pause = _FIRST_GAIN, 0.0, _FIRST_PAUSE

    def share(self, share: float) -> None:
        """Take the share of the partitions owned now. A change settles every loan: somebody came or went."""
        if share != self.part.share:
            self.part = Part(share)
            self._gain, self._pause = _FIRST_GAIN, _FIRST_PAUSE

    def held(self, now: float) -> None:
        """Note that calls wait for the limit: the part does not suffice."""
        self._held_at = now

    def told(self, left: float | None, now: float) -> None:
        """Note which share of the account's minute is left, and borrow or give back."""
        if left is None:
            return
        elapsed = min(now - self._told_at, _FRESH_SECONDS)
        if self._left is None or now - self._told_at > _FRESH_SECONDS:
            self._left = self._usual = left
        self._told_at = now
        self._left += (left - self._left) * -math.expm1(-elapsed / _SMOOTH_SECONDS)
        self._usual += (self._left - self._usual) * -math.expm1(-elapsed / _FADE_SECONDS)
        self._usual = max(self._usual, self._left)
        if self._left < self._usual - _NOTICEABLE:
            self._give_back(now)
        elif self.part.share < 1.0 and now - self._held_at < _IDLE_SECONDS and now >= self._rest_until:
            self._borrow(self.part.borrowed + self._gain * elapsed)
            self._gain = min(_MOST_GAIN, self._gain * 2 ** (elapsed / _DOUBLES_SECONDS))
        elif now - self._held_at >= _IDLE_SECONDS:
            self._borrow(0.0)

    def refused(self, now: float) -> bool:
        """Give back after a refusal; return whether it is explained by what was borrowed until a second ago."""
        borrowed = self.part.borrowed > 0.0 or now - self._changed_at < 1.0
        self._give_back(now)
        return borrowed

    def _give_back(self, now: float) -> None:
        """Use less, once a second, down to the share. Whoever has then nothing left of the loan tries ever more seldom."""
        if self.part.borrowed == 0.0 or now - self._changed_at < 1.0:
            return
        self._borrow(_FALL * self.part.whole - self.part.share)
        self._changed_at, self._gain = now, _FIRST_GAIN
        self._pause = _FIRST_PAUSE if self.part.borrowed > 0.0 else min(_LONGEST_PAUSE, self._pause * 2)
        self._rest_until = now + self._pause

    def old(self, now: float) -> None:
        """Give everything back when nothing was told of late."""
        if self.part.borrowed > 0.0 and now - self._told_at > _FRESH_SECONDS:
            self._borrow(0.0)

    def _borrow(self, amount: float) -> None:
        """Set the loan, between nothing and what makes the whole."""
        self.part = Part(self.part.share, min(1.0 - self.part.share, max(0.0, amount)))
