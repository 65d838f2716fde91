"""The broker's side of a run: topics are made and filled, ends are watched, and what came out is read when it is over.

While a run is measured, only the ends of the output partitions are asked for: reading the events would take the CPU that is
measured. Their times are the broker's (`LogAppendTime`), so the rate is known from what it kept.
"""

import asyncio
import time
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Self

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from tests.bench.regimes import PARTITIONS
from tests.broker.stage import Stage
from tests.kafka_fixtures import make_topic
from topics.record import Partition, Record

_TEXT = "my card has not arrived yet " * 9


def message(number: int) -> bytes:
    """Return a message of about 300 bytes; no two texts are the same."""
    return orjson.dumps({"id": str(number), "body": f"{_TEXT}{number:07}"})


async def make_topics(brokers: str, names: Sequence[str]) -> None:
    """Make the topics; what is appended to them bears the broker's time."""
    admin = AIOKafkaAdminClient(bootstrap_servers=brokers)
    await admin.start()
    try:
        for name in names:
            await make_topic(admin, name, PARTITIONS, 1, {"message.timestamp.type": "LogAppendTime"})
    finally:
        await admin.close()


async def fill(brokers: str, topic: str, count: int) -> None:
    """Send the messages at once, partitions taking turns."""
    producer = AIOKafkaProducer(bootstrap_servers=brokers, linger_ms=5)
    await producer.start()
    try:
        for number in range(count):
            await producer.send(topic, message(number), key=b"%d" % number, partition=number % PARTITIONS)
    finally:
        await producer.stop()


async def drip(brokers: str, topic: str, numbers: range, per_second: float, sent: dict[str, float]) -> None:
    """Send the messages of these numbers at a pace; `sent` gets the time of each, in seconds since the epoch, by the message's id."""
    producer = AIOKafkaProducer(bootstrap_servers=brokers)
    await producer.start()
    began = time.monotonic()
    try:
        for place, number in enumerate(numbers):
            await asyncio.sleep(max(0.0, began + place / per_second - time.monotonic()))
            sent[str(number)] = time.time()
            await producer.send_and_wait(topic, message(number), key=b"%d" % number, partition=number % PARTITIONS)
    finally:
        await producer.stop()


@lru_cache(maxsize=1)  # one run after the other has the same
def inputs(topic: str, count: int) -> Sequence[Record]:
    """Return the records that `fill` made."""
    return [Record(Partition(topic, n % PARTITIONS), n // PARTITIONS, b"%d" % n, message(n), (), 0) for n in range(count)]


class Ends:
    """Watches how far the outputs are, as a read_committed reader sees it."""

    def __init__(self, brokers: str, topics: Sequence[str]) -> None:
        self._partitions = [TopicPartition(topic, number) for topic in topics for number in range(PARTITIONS)]
        self._client = AIOKafkaConsumer(bootstrap_servers=brokers, isolation_level="read_committed")

    async def __aenter__(self) -> Self:
        await self._client.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.stop()

    async def seen(self) -> int:
        """Return the sum of the ends: events and, with transactions, a few markers."""
        return sum((await self._client.end_offsets(self._partitions)).values())


async def read_events(brokers: str, folder: Path, topics: Sequence[str]) -> list[Record]:
    """Return all events that a read_committed reader sees, with headers that say where they come from."""
    found = await Stage(brokers, folder, "bench", PARTITIONS).read(*topics)
    return [record if any(name == "nt_topic" for name, _ in record.headers) else _told(record) for record in found]


def _told(record: Record) -> Record:
    """Return a peer's event with its origin in the headers too, as the checker wants it: peers say it in the body alone."""
    body = orjson.loads(record.value or b"{}")
    source = body["source"]
    headers = (
        ("ce_id", body["id"].encode()),
        ("nt_topic", source["topic"].encode()),
        ("nt_partition", b"%d" % source["partition"]),
        ("nt_offset", b"%d" % source["offset"]),
    )
    return Record(record.partition, record.offset, record.key, record.value, headers, record.timestamp_ms)
