"""Time and chance, handed in: nothing below `workers.wiring` reads a clock of its own."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Clocks:
    """Time and chance, handed in. `probe_seconds` is the pause between two looks at a model that barred us."""

    monotonic: Callable[[], float]
    wall: Callable[[], float]
    jitter: Callable[[], float]
    poll_seconds: float = 0.2
    probe_seconds: float = 30.0
