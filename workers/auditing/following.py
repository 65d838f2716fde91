"""Following the findings topics: every worker reads them whole, in no group, and tells the monitors of their tasks."""

import contextlib
from collections.abc import Callable, Mapping

import orjson

from schemas.auditing import Note, note_of
from topics.log import Log
from topics.record import Record
from topics.tail import Tail
from workers.auditing.monitor import Monitor


class Findings:
    """The findings of all tasks of a worker: monitors by topic and task. `tell` hears of each task after each look."""

    def __init__(
        self, log: Log, monitors: Mapping[str, Mapping[str, Monitor]], tell: Callable[[str], None], look: float
    ) -> None:
        self._monitors = monitors
        self._tell = tell
        self._look = look
        self._tail = Tail(log, monitors.keys(), self._take)

    async def catch_up(self) -> None:
        """Read all that is there. Raises topics.errors.LogError."""
        if self._monitors:
            await self._tail.catch_up()
            await self._looked()

    async def follow(self, troubled: Callable[[str], None]) -> None:
        """Read on for ever; a log that cannot be read is told of once until it can be again."""
        if self._monitors:
            await self._tail.follow(self._look, self._looked, troubled)

    async def _looked(self) -> None:
        for task in sorted(task for monitors in self._monitors.values() for task in monitors):
            self._tell(task)

    def _take(self, record: Record) -> None:
        note = read_note(record.value)
        if note is not None:
            for monitor in self._monitors[record.partition.topic].values():
                monitor.take(note)


def read_note(value: bytes | None) -> Note | None:
    """Return what a record of a findings topic says, None for what is no note."""
    with contextlib.suppress(orjson.JSONDecodeError):
        return note_of(orjson.loads(value or b""))
    return None
