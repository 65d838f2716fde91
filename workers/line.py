"""A line: the stages of one task, built by `workers.wiring` and joined by `workers.pipeline`. Values only."""

import asyncio
from dataclasses import dataclass, field
from typing import NamedTuple

from schemas.message import Message
from schemas.task import Task
from topics.codec import Codec
from topics.record import Receipt, Record
from workers.asking.route import Route
from workers.batching.feeder import Feeder
from workers.batching.sizing import Sizing
from workers.brake import Brake
from workers.calls import Calls
from workers.judging.confidence import Scorer
from workers.judging.reading import Reader
from workers.judging.verdicts import Judge
from workers.patience import Patience
from workers.routing import Router


class Entry(NamedTuple):
    """A message on its way, with the record it came from and the receipt owed for it."""

    message: Message
    record: Record
    receipt: Receipt


@dataclass(slots=True)
class Gate:
    """Open while the model may be asked. Closed by an account's fault, with the reason; every caller waits here."""

    why: str | None = None
    opened: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.opened.set()

    def close(self, why: str) -> bool:
        """Close and return whether it was open."""
        was_open = self.opened.is_set()
        self.why = why
        self.opened.clear()
        return was_open

    def open(self) -> None:
        self.why = None
        self.opened.set()


@dataclass(frozen=True, slots=True)
class Line:
    """One task's stages, in the order in which a message meets them."""

    task: Task
    codec: Codec
    sizing: Sizing
    feeder: Feeder[Entry]
    route: Route
    calls: Calls
    patience: Patience
    reader: Reader
    scorer: Scorer | None  # None where the route gives no log-probabilities
    judge: Judge
    router: Router
    gate: Gate
    brake: Brake
