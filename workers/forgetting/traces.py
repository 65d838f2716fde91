"""Traces: the keys under which events of whom to forget stand in compacted topics, found in two readings. Pure.

A customer's events are his own and all others of the conversations that he is in. A key is erased when its newest event is
theirs: older events of a key go at the next compaction anyway, and a tombstone on a key whose newest event is another's
would erase that.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from schemas.context import ContextRule
from schemas.message import Message
from schemas.task import Task
from topics.codec import Codec
from topics.record import Record
from workers.forgetting.request import Request
from workers.remembering.naming import name_of
from workers.remembering.wire import digest_of, from_bytes


@dataclass(frozen=True, slots=True)
class Conversations:
    """The first reading, of the context topic and the events: the digests of the conversations that a customer is in."""

    task: Task
    rule: ContextRule
    request: Request
    digests: set[str] = field(default_factory=set)

    def see(self, records: Iterable[Record]) -> None:
        codec = Codec(self.task.source)
        for record in records:
            if record.value is None:
                continue
            if record.partition.topic == self.rule.topic:
                window = from_bytes(record.value)
                if record.key is not None and window is not None and self.request.digest in window.customers:
                    self.digests.add(digest_of(record.key))
                continue
            message = _message(record, self.task, codec)
            if self.request.means(message, self.rule) and (name := name_of(message, self.rule)) is not None:
                self.digests.add(digest_of(name))


@dataclass(frozen=True, slots=True)
class Traces:
    """The second reading, of the events in order: the keys to erase."""

    task: Task
    rule: ContextRule
    request: Request
    conversations: frozenset[str] = frozenset()
    _keys: dict[str, dict[tuple[int, bytes], None]] = field(default_factory=dict)

    def see(self, records: Iterable[Record]) -> None:
        codec = Codec(self.task.source)
        for record in records:
            if record.key is None:
                continue
            keys = self._keys.setdefault(record.partition.topic, {})
            if record.value is not None and self._theirs(_message(record, self.task, codec)):
                keys[record.partition.number, record.key] = None
            else:
                keys.pop((record.partition.number, record.key), None)

    def keys(self, topic: str) -> Sequence[tuple[int, bytes]]:
        """Return partition and key of what is theirs in the topic."""
        return list(self._keys.get(topic, ()))

    def _theirs(self, message: Message) -> bool:
        if self.request.means(message, self.rule):
            return True
        name = name_of(message, self.rule) if self.conversations else None
        return name is not None and digest_of(name) in self.conversations


def _message(record: Record, task: Task, codec: Codec) -> Message:
    """Return whose event it is. A dead letter's value is the record's own; of one that cannot be read the key is known."""
    if record.partition.topic == task.routes.dead:
        return codec.without_text(record)
    told = _object(_parsed(record.value or b"").get("message"))
    metadata = {str(name): str(word) for name, word in _object(told.get("metadata")).items()}
    return Message("", "", record.key, told.get("tenant"), metadata)


def _parsed(value: bytes) -> dict[str, Any]:
    try:
        return _object(orjson.loads(value))
    except orjson.JSONDecodeError:
        return {}


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
