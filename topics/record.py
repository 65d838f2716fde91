"""Records, and the three things a worker may owe or claim about them.

What is made once per message is a named tuple: a frozen dataclass takes four times as long to make and to hash.
"""

from dataclasses import dataclass
from typing import NamedTuple, Self

Headers = tuple[tuple[str, bytes], ...]


class Partition(NamedTuple):
    """One partition of one topic."""

    topic: str
    number: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.number}"


class Position(NamedTuple):
    """The next offset to read of a partition: everything below it is done.

    Made by `Record.position_after`, by `Position.restored` from what a broker kept, and by a ledger; never by adding one
    to an offset at a call site.
    """

    partition: Partition
    offset: int

    @classmethod
    def restored(cls, partition: Partition, offset: int) -> Self:
        """Return a position the log itself told: committed, earliest or end."""
        if offset < 0:
            raise ValueError(f"a position cannot be negative, got {offset} for {partition}")
        return cls(partition, offset)


class Record(NamedTuple):
    """One input record, as the broker gave it. `timestamp_ms` is milliseconds since the epoch."""

    partition: Partition
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    timestamp_ms: int

    def position_after(self) -> Position:
        return Position(self.partition, self.offset + 1)


class Receipt(NamedTuple):
    """The debt for one received record: exactly one verdict.

    `epoch` counts the assignments this process has seen. A receipt of an earlier assignment settles nothing, so a late
    answer cannot move the offset of a partition that was taken away and given back.
    """

    partition: Partition
    offset: int
    epoch: int


class Outgoing(NamedTuple):
    """One record to publish. The key decides its partition (Kafka's murmur2), as for any other producer.

    `note` is not published: a lane hands the notes of a commit to whoever sums them up (`LaneRules.summarise`).
    """

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers
    note: object = None


@dataclass(frozen=True, slots=True)
class Committed:
    """What a group committed for a partition: the position and the offset metadata beside it."""

    position: Position
    metadata: str
