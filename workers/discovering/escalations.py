"""Escalated messages: from the events as published, or from a file of them or of a task's records. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pydantic import ValidationError

from schemas.events import EscalatedEvent
from schemas.message import Message
from schemas.task import Task
from schemas.verdict import Doubt
from topics.codec import Codec
from topics.record import Partition, Record

DOUBTS = frozenset({Doubt.UNKNOWN, Doubt.LOW_CONFIDENCE})
"""Why a message may want a label that the task does not have."""

_FILE = Partition("input", 0)


@dataclass(frozen=True, slots=True)
class Escalation:
    """A message, and what the model said of each label field: None is unknown."""

    identity: str
    text: str
    labels: Mapping[str, str | None]


@dataclass(slots=True)
class Gathered:
    """Filled record by record with what was escalated of the task for one of these doubts, each text once, the last `most`.

    `reasons` counts all escalations of the task by their first reason; `aliens` are records of something else.
    """

    task: Task
    most: int
    doubts: frozenset[Doubt] = DOUBTS
    aliens: int = 0
    reasons: Counter[Doubt] = field(default_factory=Counter)
    _kept: dict[str, Escalation] = field(default_factory=dict)

    @property
    def escalations(self) -> list[Escalation]:
        """What was kept, in the order in which it was seen last."""
        return list(self._kept.values())

    def see(self, records: Iterable[Record]) -> None:
        """Take the escalations among the events of a topic."""
        for record in records:
            self._take_event(record.value or b"")

    def take(self, line: bytes) -> None:
        """Take a line of a file: an event as published, or a record of the task's source, whoever escalated it."""
        if b'"nanotriage.escalated.' in line:
            self._take_event(line)
            return
        message = Codec(self.task.source).decode(Record(_FILE, 0, None, line, (), 0))
        if isinstance(message, Message):
            self._keep(Escalation(message.id, message.text, {}))
        else:
            self.aliens += 1

    def _take_event(self, value: bytes) -> None:
        try:
            event = EscalatedEvent.model_validate_json(value)
        except ValidationError:
            self.aliens += 1
            return
        if event.task != self.task.name:
            self.aliens += 1
            return
        said = [reason.reason for reason in event.reasons]
        self.reasons[said[0]] += 1
        if not self.doubts.isdisjoint(said):
            labels = {name: event.fields[name].value for name in self.task.classified() if name in event.fields}
            self._keep(Escalation(event.message.id, event.text, labels))

    def _keep(self, escalation: Escalation) -> None:
        self._kept.pop(escalation.text, None)
        self._kept[escalation.text] = escalation
        if len(self._kept) > self.most:
            del self._kept[next(iter(self._kept))]
