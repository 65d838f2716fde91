"""When a slow call may be asked a second time, beside itself. Pure.

A call that takes longer than nearly all others is more likely to be unlucky than long. Asking again, once and for a small share
of the calls, cuts the tail (Dean and Barroso, The Tail at Scale, CACM 56(2), 2013). It costs tokens, so it is off unless an
operator gives it a share, and never done while anybody waits for the limits.
"""

from collections import deque

_REMEMBERED, _LEAST = 200, 20
_QUANTILE = 0.95
_MOST = 5.0


class Hedging:
    """`share` of the calls may be asked a second time; 0 is off."""

    def __init__(self, share: float) -> None:
        self._share = share
        self._earned = 0.0
        self._seconds: deque[float] = deque(maxlen=_REMEMBERED)

    def answered(self, seconds: float) -> None:
        """Note how long an answered call took; each earns a share of a hedge."""
        if self._share > 0.0:
            self._seconds.append(seconds)
            self._earned = min(_MOST, self._earned + self._share)

    def after_seconds(self) -> float | None:
        """Return after how long a call is slow. None while hedging is off, not earned, or too little is known."""
        if self._earned < 1.0 or len(self._seconds) < _LEAST:
            return None
        return sorted(self._seconds)[int(len(self._seconds) * _QUANTILE)]

    def earned(self) -> bool:
        """Whether one may be hedged now; others may have spent it since `after_seconds`."""
        return self._earned >= 1.0

    def hedged(self) -> None:
        self._earned -= 1.0
