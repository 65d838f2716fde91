"""The ramp: above a million tokens a minute an account may grow by half in 15 minutes, else it is told to `slow_down`. Pure.

Source: OpenAI's error guide. The ceiling is 1.5 times an exponential mean of what was used. With a time constant of
450 s / ln 1.5 a load that always uses the whole ceiling grows by exactly half in 900 s: the mean u obeys u' = 0.5 u / T.
"""

import math

_FREE = 1_000_000.0
_STEP = 1.5
_TIME_SECONDS = 900.0 * (_STEP - 1.0) / math.log(_STEP)
_MINUTE = 60.0


class Ramp:
    """Starts from nothing, as a provider sees a worker that begins."""

    def __init__(self, free_per_minute: float = _FREE) -> None:
        self._free = free_per_minute
        self._mean = 0.0  # tokens a minute
        self._at = float("-inf")

    def used(self, tokens: float, now: float) -> None:
        self._fade(now)
        self._mean += tokens * _MINUTE / _TIME_SECONDS

    def most_per_minute(self, now: float) -> float:
        self._fade(now)
        return max(self._free, _STEP * self._mean)

    def _fade(self, now: float) -> None:
        if now > self._at:
            self._mean *= math.exp((self._at - now) / _TIME_SECONDS)
            self._at = now
