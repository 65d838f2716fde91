"""What the keeper of conversations does with a record. Decides only; `workers.stateful.conversations` acts."""

from dataclasses import dataclass, field

import orjson

from schemas.context import ContextRule
from schemas.message import Message
from schemas.task import Task
from topics.codec import Codec
from topics.record import Record
from workers.remembering.naming import bounds_of, name_of
from workers.remembering.window import Bounds, Conversation, Place, Turn, with_turn
from workers.remembering.wire import from_bytes, to_bytes


@dataclass(slots=True)
class Counts:
    """What was done since the start."""

    turns: int = 0
    unchanged: int = 0  # doubled, or read again
    no_turn: int = 0  # without a key or a text
    forgotten: int = 0


@dataclass(frozen=True, slots=True)
class Keeper:
    """Decides what becomes of a record. Pure but for its counts."""

    task: Task
    rule: ContextRule
    codec: Codec
    bounds: Bounds
    counts: Counts = field(default_factory=Counts)

    def turn(self, record: Record) -> tuple[bytes, Turn] | None:
        """Return the conversation's key and the turn, or None for a record that is none."""
        message = self.codec.decode(record)
        key = name_of(message, self.rule) if isinstance(message, Message) else None
        if key is None or not isinstance(message, Message):
            return None
        speaker = message.metadata.get(self.rule.speaker) if self.rule.speaker else None
        return key, Turn(Place(record.timestamp_ms, record.offset), message.id, speaker, message.text)

    def after(self, value: bytes | None, marker: bytes | None, turn: Turn) -> bytes | None:
        """Return the window after the turn, or None when the turn is of a conversation that was forgotten since."""
        if marker is not None and turn.place.time_ms <= orjson.loads(marker)["until_ms"]:
            self.counts.forgotten += 1
            return None
        now = (from_bytes(value) if value else None) or Conversation()
        then = with_turn(now, turn, self.bounds)
        if then is now or then.turns == now.turns:
            self.counts.unchanged += 1
        else:
            self.counts.turns += 1
        return to_bytes(then)


def keeper_of(task: Task, rule: ContextRule) -> Keeper:
    return Keeper(task, rule, Codec(task.source), bounds_of(rule))
