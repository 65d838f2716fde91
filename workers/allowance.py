"""What a provider tells of an account's limits with each answer. Values only: asking reads them, limiting acts on them."""

from dataclasses import dataclass

_MINUTE = 60.0


@dataclass(frozen=True, slots=True)
class Allowance:
    """One dimension of a limit, as told with one answer; None was not told.

    `limit` and `remaining` are counts in a window of `window_seconds`. `reset_seconds` is the time until all, in a fixed
    window, or all that is used, in a bucket that refills, may be used again.
    """

    limit: float | None = None
    remaining: float | None = None
    reset_seconds: float | None = None
    window_seconds: float | None = None

    @property
    def per_minute(self) -> float | None:
        """Return the limit per minute. None when it is not known or that of a longer window, such as a day.

        Where no window is told it is a minute by custom; but a reset further away than a minute belies that.
        """
        if self.limit is None or self._is_long:
            return None
        return self.limit * _MINUTE / (self.window_seconds or _MINUTE)

    @property
    def left(self) -> float | None:
        """Return the unused share of a minute's limit, in [0, 1], or None when it is not known."""
        if self.limit is None or self.remaining is None or self._is_long:
            return None
        return min(1.0, self.remaining / self.limit)

    @property
    def _is_long(self) -> bool:
        window = self.window_seconds or _MINUTE
        return window > _MINUTE or (self.reset_seconds or 0.0) > _MINUTE + 1


@dataclass(frozen=True, slots=True)
class Allowances:
    """Both dimensions; the one of a provider that tells nothing is empty."""

    requests: Allowance = Allowance()
    tokens: Allowance = Allowance()

    @property
    def told(self) -> bool:
        return self != UNTOLD


UNTOLD = Allowances()
