"""Whoever writes the input: record by record, or in transactions that end late, are aborted, and leave markers behind."""

import asyncio
import random
from collections.abc import Sequence

from topics.memory import MemoryCluster
from topics.memory.partition import Fate, Transaction
from topics.record import Outgoing

TOPIC = "in"
LONGEST_SECONDS = 6.0

Row = tuple[bytes | None, bytes]


def write(cluster: MemoryCluster, rows: Sequence[Row], chance: random.Random) -> int:
    """Append the rows, each a key and a value; return how many of them a read_committed reader will ever see."""
    if not rows or chance.random() < 0.6:
        for key, value in rows:
            cluster.produce(TOPIC, key, value)
        return len(rows)
    transaction = Transaction()
    for number, (key, value) in enumerate(rows):
        cluster.append(Outgoing(TOPIC, key, value, ()), number, transaction)
    fate = Fate.COMMITTED if chance.random() < 0.6 else Fate.ABORTED
    asyncio.get_running_loop().call_later(chance.random() * LONGEST_SECONDS, _end, cluster, transaction, fate)
    return len(rows) if fate is Fate.COMMITTED else 0


def lags(cluster: MemoryCluster, group: str) -> bool:
    """Whether a partition's committed position is not its end: what Kafka's tools, and who scales by them, call lag."""
    ends = {place: cluster.partition_log(place).end for place in cluster.partitions(TOPIC)}
    found = {place: cluster.committed(group, place) for place in ends}
    return any((0 if kept is None else kept.position.offset) != ends[place] for place, kept in found.items())


def _end(cluster: MemoryCluster, transaction: Transaction, fate: Fate) -> None:
    transaction.fate = fate
    for log in transaction.logs:
        log.end_transaction(transaction)
    cluster.changes.tell()
