"""The breaker: leaves a provider alone that fails again and again, and looks with one real call whether it is back. Pure.

Closed, it lets every call go. After `FAULTS` faults with no answer between them it opens: no call starts for a pause that
doubles with each failed look. Then one call may go; any answer closes it. It holds calls back and drops none: the poll loop,
the group's membership and the commits go on. (M. Nygard, Release It!, "Circuit Breaker".)
"""

from enum import StrEnum

from workers.patience import Patience

FAULTS = 5


class BreakerState(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Breaker:
    """See the module's docstring. Calls are known by the numbers of their tickets."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._faults = 0
        self._looks = 0  # failed ones since it opened, the one that opened it included
        self._until: float | None = None
        self._look: int | None = None

    @property
    def state(self) -> BreakerState:
        if self._until is None:
            return BreakerState.CLOSED
        return BreakerState.OPEN if self._look is None else BreakerState.HALF_OPEN

    def wait_seconds(self, now: float) -> float:
        """Return how long no call may start; infinite while a look is under way."""
        if self._until is None:
            return 0.0
        return max(0.0, self._until - now) if self._look is None else float("inf")

    def started(self, call: int) -> None:
        """Note a call that starts; while it is not closed this is the look."""
        if self._until is not None:
            self._look = call

    def answered(self) -> None:
        """Close: the provider works, whichever call shows it."""
        self._faults = self._looks = 0
        self._until = self._look = None

    def failed(self, call: int, asked_seconds: float | None, now: float, chance: float) -> None:
        """Count a fault. Calls from before it opened tell nothing new."""
        if self._until is None:
            self._faults += 1
            if self._faults < FAULTS:
                return
        elif call != self._look:
            return
        self._looks += 1
        self._look = None
        self._until = now + self._patience.wait_seconds(asked_seconds, self._looks, chance)

    def ended(self, call: int) -> None:
        """Note that a call ended without telling anything: another may look."""
        if call == self._look:
            self._look = None
