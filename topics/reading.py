"""Reading a log as nobody's consumer: no group, no commit, committed records only."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from topics.record import Partition, Position, Record


@dataclass(frozen=True, slots=True)
class Chunk:
    """Records of one partition in the order of their offsets: all there are from `start` up to `end`."""

    start: int
    end: int
    records: Sequence[Record]


class Reader(Protocol):
    """Reads any partition of a log, from any place to any place."""

    async def ends(self, partitions: Sequence[Partition]) -> Mapping[Partition, int]:
        """Return where each partition ends now for a read_committed reader. Raises topics.errors.LogError."""

    def read(self, start: Position, end: int) -> AsyncIterator[Chunk]:
        """Give every committed record from `start` up to `end`; one after the other, never two readings at once.

        The chunks follow each other without a gap. Raises topics.errors.LogError.
        """
