"""How long things take in the log in memory, and what befalls the end of a transaction."""

from collections.abc import Callable
from dataclasses import dataclass


def _at_once() -> float:
    return 0.0


@dataclass(frozen=True, slots=True)
class Delays:
    """Seconds, drawn anew each time: a writer's request on its way, a decided transaction's markers, the group's take-over.

    `transaction_seconds` is how long a transaction may stay open before the coordinator aborts it.
    """

    request: Callable[[], float] = _at_once
    markers: Callable[[], float] = _at_once
    offsets: Callable[[], float] = _at_once
    transaction_seconds: float = 40.0


@dataclass(frozen=True, slots=True)
class LostEnd:
    """An EndTxn whose answer the writer does not get. It arrives at once if `applied`, and (also) `late_seconds` later."""

    applied: bool
    late_seconds: float | None = None
