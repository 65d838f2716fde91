"""The budget for calls that are made again after a fault: it paces them and drops none. Pure; time is an argument.

Each call made for the first time earns a share of a retry; a retry that is answered costs nothing. So while a provider fails
in part, at most that share of its load is in vain. A trickle keeps the last messages going when nothing new comes. (Google,
Site Reliability Engineering, chapter 21: retries at most 10 % of a client's requests.)
"""

from dataclasses import dataclass

_MOST = 10.0
_TRICKLE_PER_SECOND = 0.2


@dataclass(slots=True)
class RetryBudget:
    """`share` of the first calls that failed retries may be."""

    share: float
    level: float = _MOST
    at: float = float("-inf")

    def wait_seconds(self, now: float) -> float:
        """Return how long the trickle takes until a retry may start."""
        self._trickle(now)
        return max(0.0, 1.0 - self.level) / _TRICKLE_PER_SECOND if self.level < 1.0 - 1e-9 else 0.0

    def first(self) -> None:
        self.level = min(_MOST, self.level + self.share)

    def again(self, now: float) -> None:
        self._trickle(now)
        self.level -= 1.0

    def not_in_vain(self) -> None:
        """Take back what a retry cost: it was answered, or never made."""
        self.level = min(_MOST, self.level + 1.0)

    def _trickle(self, now: float) -> None:
        if now > self.at:
            if self.at != float("-inf"):
                self.level = min(_MOST, self.level + (now - self.at) * _TRICKLE_PER_SECOND)
            self.at = now
