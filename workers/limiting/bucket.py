"""A bucket that refills without pause, for what is counted per minute and enforced per second. Pure; time is an argument."""

from dataclasses import dataclass
from math import exp

_MINUTE = 60.0
_FADE_SECONDS = 1.0  # providers enforce a minute's limits over so long
_NOTHING = 1e-6  # seconds: less is the error of adding floats up


@dataclass(slots=True)
class Bucket:
    """Holds at most what `pace_seconds` of its rate bring, or `least`, so that no minute is spent in one burst.

    `per_minute` None is no limit. An amount larger than the bucket passes when it is full, and leaves a debt that everyone
    after it waits off: large amounts are delayed, never starved.
    """

    per_minute: float | None
    pace_seconds: float
    least: float
    level: float = 0.0
    at: float = float("-inf")

    def wait_seconds(self, amount: float, now: float) -> float:
        """Return how long it takes until `amount` may pass: 0 is now."""
        if self.per_minute is None:
            return 0.0
        self._refill(now)
        seconds = (min(amount, self._capacity) - self.level) * _MINUTE / self.per_minute
        return seconds if seconds > _NOTHING else 0.0

    def take(self, amount: float, now: float) -> None:
        """Take what may pass now, or what has turned out to be used on top of it."""
        self._refill(now)
        self.level -= amount

    def give(self, amount: float, now: float) -> None:
        """Take back a reservation. It may lift the level above what refilling would: it was paid for.

        What nobody takes of that fades: after a quiet time it would be a burst of what many calls together were given too much.
        """
        self._refill(now)
        self.level += amount

    def pace(self, per_minute: float | None, now: float) -> bool:
        """Change the rate, from now on. Return whether it was unknown until now: then its bucket is empty."""
        self._refill(now)
        begins = self.per_minute is None and per_minute is not None
        if begins:
            self.level = 0.0
        self.per_minute = per_minute
        return begins

    @property
    def _capacity(self) -> float:
        return max(self.least, (self.per_minute or 0.0) / _MINUTE * self.pace_seconds)

    def _refill(self, now: float) -> None:
        if self.per_minute is None:
            self.level = 0.0
        elif self.at == float("-inf"):
            self.level = self._capacity
        elif now > self.at and self.level < self._capacity:
            self.level = min(self._capacity, self.level + (now - self.at) * self.per_minute / _MINUTE)
        elif now > self.at:
            self.level = self._capacity + (self.level - self._capacity) * exp((self.at - now) / _FADE_SECONDS)
        self.at = max(self.at, now)
