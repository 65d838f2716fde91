"""How many messages arrive a second, as far as it concerns the next fraction of a second. Pure."""


class ArrivalRate:
    """An exponentially weighted rate of arrivals, forgetting with a time constant of one second."""

    def __init__(self, memory_seconds: float = 1.0) -> None:
        self._memory = memory_seconds
        self._weight = 0.0
        self._at = float("-inf")

    def arrived(self, now: float) -> None:
        faded = 1.0 - (now - self._at) / self._memory
        self._weight = 1.0 + self._weight * faded if faded > 0 else 1.0
        self._at = now

    @property
    def faded_at(self) -> float:
        """When the rate is zero if nothing more arrives."""
        return self._at + self._memory

    def per_second(self, now: float) -> float:
        """Return the rate. Linear decay, so that it is cheap and reaches zero."""
        faded = 1.0 - (now - self._at) / self._memory
        return self._weight * max(0.0, faded) / self._memory
