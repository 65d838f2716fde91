"""Following topics as nobody's consumer: each read whole from its beginning, then on as it grows, every record once."""

import asyncio
from collections.abc import Awaitable, Callable, Collection

from topics.errors import LogError
from topics.log import Log
from topics.reading import Reader
from topics.record import Partition, Position, Record

TROUBLE_SECONDS = 5.0


class Tail:
    """Of some topics. `take` hears of every committed record; those of a partition come in the order of their offsets."""

    def __init__(self, log: Log, topics: Collection[str], take: Callable[[Record], None]) -> None:
        self._log = log
        self._topics = tuple(topics)
        self._take = take
        self._partitions: list[Partition] = []
        self._next: dict[Partition, int] = {}

    async def catch_up(self) -> None:
        """Read all that is there. Raises topics.errors.LogError."""
        async with self._log.reader() as reader:
            await self.read(reader)

    async def follow(self, look_seconds: float, looked: Callable[[], Awaitable[None]], troubled: Callable[[str], None]) -> None:
        """Look again and again, for ever; `looked` is awaited after each look.

        A log that cannot be read, or a LogError of `looked`, is told to `troubled` once until it is over; until then the
        pauses grow, to TROUBLE_SECONDS.
        """
        said, pause = False, look_seconds
        while True:
            try:
                async with self._log.reader() as reader:
                    while True:
                        await self.read(reader)
                        await looked()
                        said, pause = False, look_seconds
                        await asyncio.sleep(look_seconds)
            except LogError as error:
                if not said:
                    troubled(str(error))
                said = True
            await asyncio.sleep(pause)
            pause = max(pause, min(TROUBLE_SECONDS, 2 * pause))

    async def read(self, reader: Reader) -> None:
        """Read what is new by now, of the partitions that there were at first. Raises topics.errors.LogError."""
        if not self._partitions:
            self._partitions = [partition for topic in self._topics for partition in await self._log.partitions(topic)]
        for partition, end in (await reader.ends(self._partitions)).items():
            if partition not in self._next:
                self._next[partition] = (await self._log.earliest(partition)).offset
            start = Position.restored(partition, min(self._next[partition], end))
            async for chunk in reader.read(start, end):
                for record in chunk.records:
                    self._take(record)
                self._next[partition] = chunk.end
