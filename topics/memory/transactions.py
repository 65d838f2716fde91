"""The transaction coordinator in memory: transactional ids, their epochs and fencing, and the offsets groups committed.

As in Kafka, an end is decided first and carried out later: the markers reach the partitions after `delays.markers`, and the
group takes the offset over `delays.offsets` after that. Between the two the offset is pending, although the transaction is
complete and its id can be opened again: only a reader who requires stable offsets (KIP-447) waits for it.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from topics.memory.changes import Changes
from topics.memory.delays import Delays
from topics.memory.partition import Fate, Transaction
from topics.record import Committed, Partition

Place = tuple[str, Partition]


@dataclass(slots=True)
class _Producer:
    """What the coordinator knows of one id: at most one transaction is open or being decided."""

    epoch: int = -1
    open: Transaction | None = None
    deciding: Transaction | None = None
    expiry: asyncio.TimerHandle | None = None


class Transactions:
    """Epochs only rise. A request of an earlier epoch has no effect; one of this epoch has, however late it comes."""

    def __init__(self, changes: Changes, delays: Delays) -> None:
        self._changes = changes
        self._delays = delays
        self._producers: dict[str, _Producer] = {}
        self._pending: dict[Place, list[Transaction]] = {}
        self._committed: dict[Place, Committed] = {}

    def fence(self, transactional_id: str) -> int | None:
        """Return the new epoch, or None while the last transaction is not decided: ask again when something changed.

        An open transaction is aborted first, under an epoch of the coordinator's own.
        """
        producer = self._producers.setdefault(transactional_id, _Producer())
        if producer.open is not None:
            self._abort(producer)
        if producer.deciding is not None:
            return None
        producer.epoch += 1
        return producer.epoch

    def is_fenced(self, transactional_id: str, epoch: int) -> bool:
        return self._producers.get(transactional_id, _Producer()).epoch != epoch

    def deciding(self, transactional_id: str) -> bool:
        """Whether markers are still being written: the id takes no records until they are (CONCURRENT_TRANSACTIONS)."""
        return self._producers[transactional_id].deciding is not None

    def join(self, transactional_id: str) -> Transaction:
        """Return the open transaction; it begins with the first request that has something for it."""
        producer = self._producers[transactional_id]
        if producer.open is None:
            producer.open = Transaction()
            loop = asyncio.get_running_loop()
            producer.expiry = loop.call_later(self._delays.transaction_seconds, self._expire, producer, producer.open)
        return producer.open

    def add_offset(self, transactional_id: str, group: str, committed: Committed) -> None:
        """Let the transaction commit this as well."""
        transaction = self.join(transactional_id)
        transaction.group, transaction.committed = group, committed
        pending = self._pending.setdefault((group, committed.position.partition), [])
        if transaction not in pending:
            pending.append(transaction)

    def commit(self, transactional_id: str, epoch: int) -> None:
        """An EndTxn arrives. It knows the epoch, not which transaction it was meant for (KIP-890); twice is as good as once."""
        producer = self._producers[transactional_id]
        if producer.epoch == epoch and producer.open is not None:
            self._decide(producer, producer.open, Fate.COMMITTED)

    def commit_offset(self, group: str, committed: Committed) -> None:
        """Commit outside any transaction."""
        self._committed[group, committed.position.partition] = committed
        self._changes.tell()

    def pending(self, group: str, partition: Partition) -> bool:
        """Whether the group may yet take over another offset (UNSTABLE_OFFSET_COMMIT in Kafka)."""
        return bool(self._pending.get((group, partition)))

    def committed(self, group: str, partition: Partition) -> Committed | None:
        return self._committed.get((group, partition))

    def _expire(self, producer: _Producer, transaction: Transaction) -> None:
        """Nobody has ended it in time (transaction.timeout.ms): abort it and fence its writer."""
        if producer.open is transaction:
            self._abort(producer)

    def _abort(self, producer: _Producer) -> None:
        if producer.open is not None:
            producer.epoch += 1
            self._decide(producer, producer.open, Fate.ABORTED)

    def _decide(self, producer: _Producer, transaction: Transaction, fate: Fate) -> None:
        if producer.expiry is not None:
            producer.expiry.cancel()
        producer.open, producer.deciding = None, transaction
        transaction.fate = fate
        _after(self._delays.markers(), lambda: self._write_markers(producer, transaction))

    def _write_markers(self, producer: _Producer, transaction: Transaction) -> None:
        producer.deciding = None
        for log in transaction.logs:
            log.end_transaction(transaction)
        if transaction.committed is not None:
            _after(self._delays.offsets(), lambda: self._take_over(transaction))
        self._changes.tell()

    def _take_over(self, transaction: Transaction) -> None:
        """Take the offset over, unless that of a later transaction was: the group goes by their order in its own log."""
        if transaction.committed is None:
            return
        place = (transaction.group, transaction.committed.position.partition)
        pending = self._pending[place]
        if transaction not in pending:
            return
        if transaction.fate is Fate.COMMITTED:
            self._committed[place] = transaction.committed
            del pending[: pending.index(transaction) + 1]
        else:
            pending.remove(transaction)
        self._changes.tell()


def _after(seconds: float, act: Callable[[], None]) -> None:
    if seconds > 0:
        asyncio.get_running_loop().call_later(seconds, act)
    else:
        act()
