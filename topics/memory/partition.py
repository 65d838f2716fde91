"""One partition in memory: records, transaction markers, and what a read_committed reader may see of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum

from topics.record import Committed, Headers, Partition, Record


class Fate(Enum):
    OPEN = "open"
    COMMITTED = "committed"
    ABORTED = "aborted"


@dataclass(slots=True, eq=False)
class Transaction:
    """What one writer did since it began: the partitions it wrote to and the offset it wants to commit."""

    fate: Fate = Fate.OPEN
    logs: "list[PartitionLog]" = field(default_factory=list)
    group: str = ""
    committed: Committed | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """What one offset holds. A transaction's end marker has no record; it takes an offset, as in Kafka."""

    record: Record | None
    transaction: Transaction | None

    @property
    def visible(self) -> bool:
        return self.record is not None and (self.transaction is None or self.transaction.fate is Fate.COMMITTED)


class PartitionLog:
    """Append-only; an entry's offset is its place. `earliest` moves when records are trimmed."""

    def __init__(self, partition: Partition) -> None:
        self.partition = partition
        self.earliest = 0
        self._entries: list[Entry] = []
        self._open: dict[Transaction, int] = {}

    @property
    def end(self) -> int:
        return len(self._entries)

    @property
    def last_stable(self) -> int:
        """The first offset of a transaction that is still open, else the end: no read_committed reader goes further."""
        return min(self._open.values(), default=self.end)

    def append(
        self, key: bytes | None, value: bytes | None, headers: Headers, timestamp_ms: int, transaction: Transaction | None
    ) -> Record:
        record = Record(self.partition, self.end, key, value, headers, timestamp_ms)
        if transaction is not None and transaction not in self._open:
            self._open[transaction] = record.offset
            transaction.logs.append(self)
        self._entries.append(Entry(record, transaction))
        return record

    def end_transaction(self, transaction: Transaction) -> None:
        del self._open[transaction]
        self._entries.append(Entry(None, transaction))

    def read(self, offset: int, max_records: int) -> tuple[Sequence[Record], int]:
        """Return visible records from the offset on, and the offset to go on from."""
        records: list[Record] = []
        # A reader whose place was trimmed away, or who is beyond the end, starts again at the earliest.
        at = offset if self.earliest <= offset <= self.end else self.earliest
        while at < self.last_stable and len(records) < max_records:
            entry = self._entries[at]
            if entry.record is not None and entry.visible:
                records.append(entry.record)
            at += 1
        return records, at

    def readable(self, offset: int) -> bool:
        """Whether `read` would return a record."""
        return bool(self.read(offset, 1)[0])

    def trim(self, before_offset: int) -> None:
        self.earliest = max(self.earliest, min(before_offset, self.end))
