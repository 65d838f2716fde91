"""Following the findings topics: every worker reads them whole, in no group, and tells the monitors of their tasks."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping

import orjson

from schemas.auditing import Note, note_of
from topics.errors import LogError
from topics.log import Log
from topics.reading import Reader
from topics.record import Partition, Position
from workers.auditing.monitor import Monitor


class Findings:
    """The findings of all tasks of a worker: monitors by topic and task. `tell` hears of each task after each look."""

    def __init__(
        self, log: Log, monitors: Mapping[str, Mapping[str, Monitor]], tell: Callable[[str], None], look: float
    ) -> None:
        self._log = log
        self._monitors = monitors
        self._tell = tell
        self._look = look
        self._next: dict[Partition, int] = {}

    async def catch_up(self) -> None:
        """Read all that is there. Raises topics.errors.LogError."""
        if self._monitors:
            async with self._log.reader() as reader:
                await self._read(reader)

    async def follow(self, troubled: Callable[[str], None]) -> None:
        """Read on for ever; a log that cannot be read is told of once until it can be again."""
        if not self._monitors:
            return
        said = False
        while True:
            try:
                async with self._log.reader() as reader:
                    while True:
                        await self._read(reader)
                        said = False
                        await asyncio.sleep(self._look)
            except LogError as error:
                if not said:
                    troubled(str(error))
                said = True
            await asyncio.sleep(self._look)

    async def _read(self, reader: Reader) -> None:
        partitions = [partition for topic in self._monitors for partition in await self._log.partitions(topic)]
        for partition, end in (await reader.ends(partitions)).items():
            if partition not in self._next:
                self._next[partition] = (await self._log.earliest(partition)).offset
            start = Position.restored(partition, min(self._next[partition], end))
            async for chunk in reader.read(start, end):
                for record in chunk.records:
                    self._take(partition.topic, record.value)
                self._next[partition] = chunk.end
        for task in sorted(task for monitors in self._monitors.values() for task in monitors):
            self._tell(task)

    def _take(self, topic: str, value: bytes | None) -> None:
        note = read_note(value)
        if note is not None:
            for monitor in self._monitors[topic].values():
                monitor.take(note)


def read_note(value: bytes | None) -> Note | None:
    """Return what a record of a findings topic says, None for what is no note."""
    with contextlib.suppress(orjson.JSONDecodeError):
        return note_of(orjson.loads(value or b""))
    return None
