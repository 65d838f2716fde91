"""Recalling: what the lanes know of their conversations, read from the context topic beside the work.

Only partitions that are owned are read, each from its beginning when it becomes ours, then as it grows. Nothing waits for it:
before it is read, or while the log is away, there is no context, and the event says so.
"""

import asyncio
from collections.abc import Callable, Collection

from schemas.context import ContextRule
from schemas.message import Context, Message, Said
from topics.errors import LogError
from topics.log import Log
from topics.reading import Reader
from topics.record import Partition, Position, Record
from workers.logs import bind
from workers.remembering.memory import Memory
from workers.remembering.naming import bounds_of, name_of
from workers.remembering.window import Place, before
from workers.remembering.wire import from_bytes

_LOG = bind("nanotriage.recall")
_MEGABYTE = 1_000_000
Owned = Callable[[str], Collection[int]]


class Recall:
    """One task's. `pause_seconds` is between two looks for something new, `trouble_seconds` after the log failed."""

    def __init__(
        self, rule: ContextRule, source: str, log: Log, *, pause_seconds: float = 0.2, trouble_seconds: float = 5.0
    ) -> None:
        self._rule = rule
        self._source = source
        self._log = log
        self._pause_seconds = pause_seconds
        self._trouble_seconds = trouble_seconds
        self._bounds = bounds_of(rule)
        self._read: dict[int, Position] = {}  # up to where each owned partition is known
        self.memory = Memory(rule.memory_megabytes * _MEGABYTE)

    def of(self, message: Message, record: Record, heard: bytes | None) -> tuple[Message, bytes | None]:
        """Return the message with what is known now of its conversation before it, and the window that says so.

        `heard` is the window that the message's context was made from, None for none: while it is the newest, nothing is done.
        """
        key = name_of(message, self._rule)
        value = None if key is None else self.memory.get(record.partition.number, key)
        if value is heard:
            return message, heard
        return message._replace(context=None if value is None else self._context(value, message.id, record)), value

    def _context(self, value: bytes, name: str, record: Record) -> Context | None:
        conversation = from_bytes(value)
        if conversation is None:
            return None
        place = Place(record.timestamp_ms, record.offset)
        turns = [turn for turn in before(conversation, place, self._bounds) if turn.id != name]
        if not turns:
            return None
        last = turns[-1]
        said = tuple(Said(turn.speaker, turn.text) for turn in turns)
        return Context(said, conversation.fallen.turns, last.id, last.place.offset, last.place.time_ms)

    async def follow(self, owned: Owned) -> None:
        """Read what is owned, for ever. A log that fails is asked again; that is said once until it answers."""
        troubled = False
        while True:
            try:
                async with self._log.reader() as reader:
                    while True:
                        await self._catch_up(reader, owned(self._source))
                        troubled = False
                        await asyncio.sleep(self._pause_seconds)
            except LogError as error:
                if not troubled:
                    _LOG.warning("context_unavailable", topic=self._rule.topic, why=str(error))
                troubled = True
                await asyncio.sleep(self._trouble_seconds)

    async def _catch_up(self, reader: Reader, owned: Collection[int]) -> None:
        for number in self._read.keys() - set(owned):
            del self._read[number]
            self.memory.drop(number)
        for number in await self._new(owned):
            self._read[number] = await self._log.earliest(Partition(self._rule.topic, number))
        if not self._read:
            return
        for partition, end in (await reader.ends([start.partition for start in self._read.values()])).items():
            async for chunk in reader.read(self._read[partition.number], end):
                for record in chunk.records:
                    self.memory.put(partition.number, record.key, record.value)
                self._read[partition.number] = Position.restored(partition, chunk.end)

    async def _new(self, owned: Collection[int]) -> list[int]:
        """Return the owned partitions that were not read yet; the context topic may have fewer than the source."""
        new = set(owned) - self._read.keys()
        return sorted(new & {p.number for p in await self._log.partitions(self._rule.topic)}) if new else []
