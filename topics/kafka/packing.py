"""A burst's records, packed into one or more batches per partition before anything is sent.

Whole batches cost a third of `producer.send` per record: one future and one queue entry for each batch, not each record.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from topics.errors import RecordTooLarge
from topics.partitioner import partition_of
from topics.record import Outgoing

BATCH_HEADER_BYTES = 61


@dataclass(slots=True)
class Packet:
    """One batch for one partition. `batch` is aiokafka's builder; `largest` is the place in the burst of its largest record."""

    topic: str
    partition: int
    batch: Any
    records: int = 0
    largest: int = 0
    largest_bytes: int = 0

    def add(self, index: int, record: Outgoing) -> int | None:
        """Append the record and return its size in bytes, or None if the batch is full."""
        metadata = self.batch.append(timestamp=None, key=record.key, value=record.value, headers=list(record.headers))
        if metadata is None:
            return None
        size = int(metadata.size) + BATCH_HEADER_BYTES
        self.records += 1
        if size > self.largest_bytes:
            self.largest, self.largest_bytes = index, size
        return size


def pack(
    outgoing: Sequence[Outgoing], partitions: Mapping[str, int], keyless: int, *, new_batch: Callable[[], Any], max_bytes: int
) -> Sequence[Packet]:
    """Return the packets in an order that keeps each partition's records in theirs.

    `partitions` counts each topic's partitions; null keys go to partition `keyless`. Raises RecordTooLarge for the
    first record of more than `max_bytes`, counted as Kafka's producer does: alone in a batch and not compressed.
    """
    packets: list[Packet] = []
    filling: dict[tuple[str, int], Packet] = {}
    for index, record in enumerate(outgoing):
        number = partition_of(record.key, partitions[record.topic], keyless)
        packet = filling.get((record.topic, number))
        size = packet.add(index, record) if packet is not None else None
        if size is None:
            packet = filling[record.topic, number] = Packet(record.topic, number, new_batch())
            packets.append(packet)
            size = packet.add(index, record) or 0
        if size > max_bytes:
            raise RecordTooLarge(index, size)
    return packets
