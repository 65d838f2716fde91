"""What the keeper of conversations does with a record. Decides only; `workers.stateful.conversations` acts."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

import orjson

from schemas.context import ContextRule
from schemas.message import Message
from schemas.task import Task
from topics.codec import Codec
from topics.record import Record
from workers.probing.marks import Marks
from workers.remembering.naming import bounds_of, customer_of, name_of
from workers.remembering.window import Bounds, Conversation, Place, Turn, with_turn
from workers.remembering.wire import digest_of, from_bytes, marker_of, to_bytes


class Said(NamedTuple):
    """A turn and the key of its conversation."""

    key: bytes
    turn: Turn

    def markers(self) -> tuple[bytes, ...]:
        """Return the keys of the markers that there are when the conversation or the customer was forgotten."""
        digests = (digest_of(self.key), self.turn.customer)
        return tuple(marker_of(digest) for digest in digests if digest is not None)


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
    marks: Marks | None = None  # tells probes, which are nobody's turn
    counts: Counts = field(default_factory=Counts)

    def turn(self, record: Record) -> Said | None:
        """Return the turn, or None for a record that is none."""
        if self.marks is not None and self.marks.probe_of(record) is not None:
            return None
        message = self.codec.decode(record)
        key = name_of(message, self.rule) if isinstance(message, Message) else None
        if key is None or not isinstance(message, Message):
            return None
        speaker = message.metadata.get(self.rule.speaker) if self.rule.speaker else None
        place = Place(record.timestamp_ms, record.offset)
        return Said(key, Turn(place, message.id, speaker, message.text, customer_of(message, self.rule)))

    def after(self, value: bytes | None, markers: Iterable[bytes | None], said: Said) -> bytes | None:
        """Return the window after the turn, or None when the turn is of what was forgotten since, as the markers say."""
        turn = said.turn
        if any(marker and turn.place.time_ms <= orjson.loads(marker)["until_ms"] for marker in markers):
            self.counts.forgotten += 1
            return None
        now = (from_bytes(value) if value else None) or Conversation()
        then = with_turn(now, turn, self.bounds)
        if then is now or then.turns == now.turns:
            self.counts.unchanged += 1
        else:
            self.counts.turns += 1
        return to_bytes(then)


def keeper_of(task: Task, rule: ContextRule, marks: Marks | None = None) -> Keeper:
    return Keeper(task, rule, Codec(task.source), bounds_of(rule), marks)
