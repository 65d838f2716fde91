"""The state all logs in memory share, the test's view of it, and switches for faults."""

from collections.abc import Callable, Sequence

from topics.memory.changes import Changes
from topics.memory.delays import Delays, LostEnd
from topics.memory.group import Group
from topics.memory.intake import MemoryIntake
from topics.memory.log import MemoryLog
from topics.memory.partition import PartitionLog, Transaction
from topics.memory.transactions import Transactions
from topics.partitioner import partition_of
from topics.record import Committed, Headers, Outgoing, Partition, Record


class MemoryCluster:
    """Topics, transactions and groups.

    `down` refuses and answers nothing while it is set. `now_ms` stamps what writers publish. Nothing here reads a clock:
    waits are asyncio timeouts, so a loop with virtual time drives all of it. `delays` is none by default.
    """

    def __init__(
        self,
        *,
        name: str = "memory",
        max_record_bytes: int = 1024 * 1024,
        now_ms: Callable[[], int] = lambda: 0,
        delays: Delays | None = None,
    ) -> None:
        self.name = name
        self.max_record_bytes = max_record_bytes
        self.now_ms = now_ms
        self.down = False
        self.delays = delays or Delays()
        self.changes = Changes()
        self.transactions = Transactions(self.changes, self.delays)
        self._topics: dict[str, list[PartitionLog]] = {}
        self._groups: dict[str, Group] = {}
        self._losses: list[LostEnd] = []
        self._keyless = 0

    def log(self) -> MemoryLog:
        return MemoryLog(self)

    def create(self, topic: str, partitions: int) -> None:
        """Create the topic, or grow it; its groups rebalance when it grew."""
        logs = self._topics.setdefault(topic, [])
        grows = 0 < len(logs) < partitions
        for number in range(len(logs), partitions):
            logs.append(PartitionLog(Partition(topic, number)))
        if grows:
            for group in self._groups.values():
                group.rebalance_soon()

    def produce(
        self,
        topic: str,
        key: bytes | None = None,
        value: bytes | None = None,
        headers: Headers = (),
        *,
        partition: int | None = None,
        timestamp_ms: int = 0,
    ) -> Record:
        """Append one record outside any transaction, as somebody else's producer."""
        logs = self._topics[topic]
        self._keyless += 1
        number = partition_of(key, len(logs), self._keyless) if partition is None else partition
        record = logs[number].append(key, value, headers, timestamp_ms, None)
        self.changes.tell()
        return record

    def read(self, topic: str) -> list[Record]:
        """Return everything a read_committed reader sees, by partition and offset."""
        return [record for log in self._topics[topic] for record in log.read(log.earliest, log.end)[0]]

    def committed(self, group: str, partition: Partition) -> Committed | None:
        """Return what is committed now, whatever is pending."""
        return self.transactions.committed(group, partition)

    def trim(self, partition: Partition, before_offset: int) -> None:
        """Delete the records before the offset, as retention does."""
        self.partition_log(partition).trim(before_offset)

    def make_anew(self, partition: Partition) -> None:
        """Empty the partition and count its offsets from zero again; what groups have committed stays."""
        self._topics[partition.topic][partition.number] = PartitionLog(partition)

    def lose_next_commit(self, *, applied: bool, late_seconds: float | None = None) -> None:
        """Make a coming commit raise WriterLost: after it was applied, or with its transaction left open.

        With `late_seconds` its EndTxn arrives (once more) so much later. Called several times, it decides as many commits,
        in order.
        """
        self._losses.append(LostEnd(applied, late_seconds))

    def expel(self, intake: MemoryIntake) -> None:
        """Make a zombie: the group gives its partitions to others and it does not know, until `MemoryIntake.rejoin`."""
        for group in self._groups.values():
            group.leave(intake)

    def take_loss(self) -> LostEnd | None:
        """Return what befalls the end of the commit now running; None if nothing does."""
        return self._losses.pop(0) if self._losses else None

    def group(self, name: str) -> Group:
        return self._groups.setdefault(name, Group(self.partitions))

    def partitions(self, topic: str) -> Sequence[Partition]:
        return tuple(log.partition for log in self._topics.get(topic, ()))

    def append(self, record: Outgoing, keyless: int, transaction: Transaction | None) -> None:
        """Append what a writer publishes to the partition of its key."""
        logs = self._topics[record.topic]
        number = partition_of(record.key, len(logs), keyless)
        logs[number].append(record.key, record.value, record.headers, self.now_ms(), transaction)

    def partition_log(self, partition: Partition) -> PartitionLog:
        return self._topics[partition.topic][partition.number]
