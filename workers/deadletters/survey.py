"""Reading dead-letter topics for people: all of them for a list, one record for a closer look. Commits nothing."""

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from topics.errors import missing_topic
from topics.log import Log
from topics.reading import Reader
from topics.record import Partition, Position, Record
from workers.exits import UserError


class Sees(Protocol):
    """Whatever wants to see records: a listing, for one."""

    def see(self, records: Iterable[Record]) -> None: ...


async def fill(log: Log, reader: Reader, topics: Sequence[str], listing: Sees, tell: Callable[[int, int], None]) -> None:
    """Show the listing every record of the topics as they end now; tell offsets read and to read.

    Raises topics.errors.LogError, also for a topic that does not exist.
    """
    ends: dict[Partition, int] = {}
    for topic in topics:
        ends |= await reader.ends(await partitions_of(log, topic))
    starts = {partition: await log.earliest(partition) for partition in ends}
    total = sum(max(0, end - starts[partition].offset) for partition, end in ends.items())
    read = 0
    for partition, end in ends.items():
        async for chunk in reader.read(starts[partition], end):
            listing.see(chunk.records)
            read += chunk.end - chunk.start
            tell(read, total)


async def find(log: Log, reader: Reader, partition: Partition, offset: int) -> Record:
    """Return one record. Raises UserError when there is none at the place, topics.errors.LogError as `fill`."""
    known = await partitions_of(log, partition.topic)
    if partition not in known:
        raise UserError(f"topic {partition.topic} has the partitions 0 to {len(known) - 1}, and not {partition.number}")
    start, end = (await log.earliest(partition)).offset, (await reader.ends([partition]))[partition]
    if not start <= offset < end:
        held = f"holds the offsets {start} to {end - 1}" if start < end else "is empty"
        raise UserError(f"there is nothing at {partition}/{offset}: the partition {held}")
    async for chunk in reader.read(Position.restored(partition, offset), offset + 1):
        for record in chunk.records:
            return record
    raise UserError(f"there is no record at {partition}/{offset}, only a mark of a transaction: see `nanotriage dlq ls`")


async def partitions_of(log: Log, topic: str) -> Sequence[Partition]:
    """Return the topic's partitions, of which there are some. Raises topics.errors.LogError."""
    found = await log.partitions(topic)
    if not found:
        raise missing_topic(topic)
    return found
