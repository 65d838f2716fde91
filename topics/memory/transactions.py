"""Transactional ids, their epochs and fencing, and the offsets groups committed."""

from topics.memory.partition import Fate, Transaction
from topics.record import Committed, Partition


class Transactions:
    """At most one transaction is open per transactional id; whoever opens the id again aborts it."""

    def __init__(self) -> None:
        self._epochs: dict[str, int] = {}
        self._open: dict[str, Transaction] = {}
        self._committed: dict[tuple[str, Partition], Committed] = {}

    def fence(self, transactional_id: str) -> int:
        """Abort what is open and return the new epoch: every writer of an earlier one is fenced."""
        self.settle(transactional_id, Fate.ABORTED)
        self._epochs[transactional_id] = self._epochs.get(transactional_id, -1) + 1
        return self._epochs[transactional_id]

    def is_fenced(self, transactional_id: str, epoch: int) -> bool:
        return self._epochs.get(transactional_id) != epoch

    def begin(self, transactional_id: str, group: str, committed: Committed) -> Transaction:
        transaction = self._open[transactional_id] = Transaction(group=group, committed=committed)
        return transaction

    def settle(self, transactional_id: str, fate: Fate) -> None:
        """Decide the open transaction, if there is one, for all its partitions and its offset at once."""
        transaction = self._open.pop(transactional_id, None)
        if transaction is None:
            return
        transaction.fate = fate
        for log in transaction.logs:
            log.end_transaction(transaction)
        if fate is Fate.COMMITTED and transaction.committed is not None:
            partition = transaction.committed.position.partition
            self._committed[transaction.group, partition] = transaction.committed

    def pending(self, group: str, partition: Partition) -> bool:
        """Whether an undecided transaction would move this offset (UNSTABLE_OFFSET_COMMIT in Kafka)."""
        return any(
            open_.group == group and open_.committed is not None and open_.committed.position.partition == partition
            for open_ in self._open.values()
        )

    def committed(self, group: str, partition: Partition) -> Committed | None:
        return self._committed.get((group, partition))
