"""One run's topics, task and group on a real broker, and what can be seen of them from outside the workers.

Offsets and members are asked with aiokafka's own clients, not with the product's, so that the two cannot be wrong together.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from uuid import uuid4

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.structs import OffsetAndMetadata

from tests import checker
from tests.kafka_fixtures import make_topic
from tests.log_truth import commits, fates
from topics.record import Committed, Headers, Partition, Position, Record

TASK = """\
name: tickets
source:
  topic: {source}
  text: text
  id: id
instructions: Label the tickets.
fields:
  intent:
    kind: label
    labels:
      cancel: wants to cancel an order
      track: asks where an order is
      praise: thanks or praises
  order_id:
    kind: extract
    pattern: "[0-9]{{3,}}"
routes:
  labelled: {labelled}
  escalated: {escalated}
  dead: {dead}
"""
OUTPUT_PARTITIONS = 3
_MEGABYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Sent:
    """One record to send to the source topic. Without a partition the key decides."""

    value: bytes | None
    key: bytes | None = None
    headers: Headers = ()
    partition: int | None = None


@dataclass(frozen=True, slots=True)
class Stage:
    """Four topics, a task file and a consumer group, all with names of their own."""

    bootstrap: str
    folder: Path
    name: str
    partitions: int

    @property
    def source(self) -> str:
        return f"{self.name}.in"

    @property
    def outputs(self) -> tuple[str, str, str]:
        return f"{self.name}.labelled", f"{self.name}.escalated", f"{self.name}.dead"

    @property
    def group(self) -> str:
        return f"{self.name}.group"

    @property
    def task_file(self) -> Path:
        return self.folder / "task.yaml"

    def places(self) -> list[Partition]:
        return [Partition(self.source, number) for number in range(self.partitions)]

    def output_places(self) -> list[Partition]:
        return [Partition(topic, number) for topic in self.outputs for number in range(OUTPUT_PARTITIONS)]

    def write_task(self) -> None:
        labelled, escalated, dead = self.outputs
        text = TASK.format(source=self.source, labelled=labelled, escalated=escalated, dead=dead)
        self.task_file.write_text(text, encoding="utf-8")

    async def send(self, records: Iterable[Sent]) -> None:
        """Send them in order, key by key, and wait until the broker has all."""
        producer = AIOKafkaProducer(bootstrap_servers=self.bootstrap, max_request_size=6 * _MEGABYTE, linger_ms=20, acks="all")
        await producer.start()
        try:
            waiting = [await self._send(producer, record) for record in records]
            await asyncio.gather(*waiting)
        finally:
            await producer.stop()

    async def _send(self, producer: AIOKafkaProducer, record: Sent) -> "asyncio.Future[object]":
        if record.key is not None or record.value is not None:
            headers = list(record.headers)
            return await producer.send(self.source, record.value, record.key, partition=record.partition, headers=headers)
        batch = producer.create_batch()  # `send` refuses a record without key and value
        batch.append(timestamp=None, key=None, value=None, headers=list(record.headers))
        return await producer.send_batch(batch, self.source, partition=record.partition or 0)

    async def committed(self) -> dict[Partition, Committed | None]:
        """Return what the group has committed now, for each source partition."""
        async with admin_of(self.bootstrap) as admin:
            found = await admin.list_consumer_group_offsets(self.group)
        return {place: _committed(place, found.get(TopicPartition(place.topic, place.number))) for place in self.places()}

    async def progress(self) -> int:
        """Return the sum of the committed positions."""
        return sum(kept.position.offset for kept in (await self.committed()).values() if kept is not None)

    async def members(self) -> frozenset[str]:
        """Return the ids of the group's members, without those that have not joined yet."""
        async with admin_of(self.bootstrap) as admin:
            (response,) = await admin.describe_consumer_groups([self.group])
        (_, _, state, _, _, rows) = response.groups[0][:6]
        return frozenset(row[0] for row in rows) if state == "Stable" else frozenset()

    async def until_progress(self, target: int, seconds: float) -> None:
        """Wait until the committed positions add up to the target."""
        await self.until(f"progress {target}", seconds, lambda seen: seen >= target)

    async def until(self, what: str, seconds: float, enough: Callable[[int], bool]) -> None:
        deadline = time.monotonic() + seconds
        while not enough(seen := await self.progress()):
            assert time.monotonic() < deadline, f"{what} was not met within {seconds:g} s: {seen} is committed"
            await asyncio.sleep(0.1)

    async def until_members(self, count: int, seconds: float = 60.0) -> frozenset[str]:
        """Wait until the group is stable with so many members and return their ids."""
        deadline = time.monotonic() + seconds
        while len(found := await self.members()) != count:
            assert time.monotonic() < deadline, f"the group did not settle with {count} members, it has {len(found)}"
            await asyncio.sleep(0.1)
        return found

    async def read(self, *topics: str) -> list[Record]:
        """Return all that a read_committed reader sees of the topics, each partition's in offset order."""
        reader = AIOKafkaConsumer(
            bootstrap_servers=self.bootstrap, isolation_level="read_committed", max_partition_fetch_bytes=8 * _MEGABYTE
        )
        await reader.start()
        try:
            return await _read_to_the_end(reader, topics)
        finally:
            await reader.stop()

    async def judge(
        self,
        promise: checker.Promise = checker.Promise.EXACTLY_ONCE,
        order: Literal["key", "partition", "none"] = "key",
        evidence: checker.Evidence | None = None,
    ) -> checker.Verdict:
        """Return the checker's verdict; call it when the workers have come to rest."""
        inputs, outputs = await self.read(self.source), await self.read(*self.outputs)
        return checker.judge(inputs, outputs, await self.committed(), promise=promise, order=order, evidence=evidence)

    def evidence(self, replicas: Sequence[Path], *, calm: bool = False) -> checker.Evidence:
        """Return what the brokers' data folders say of the run."""
        history = [c for c in commits(replicas, self.group) if c.position.partition.topic == self.source]
        return checker.Evidence({place: fates(replicas, place) for place in self.output_places()}, history, calm=calm)


async def set_stage(
    bootstrap: str,
    folder: Path,
    partitions: int = 6,
    *,
    replicas: int = 1,
    output_settings: Mapping[str, str] | None = None,
    **source_settings: str,
) -> Stage:
    """Make the topics and write the task."""
    stage = Stage(bootstrap, folder, f"run-{uuid4().hex[:8]}", partitions)
    async with admin_of(bootstrap) as admin:
        await make_topic(admin, stage.source, partitions, replicas, source_settings)
        for topic in stage.outputs:
            await make_topic(admin, topic, OUTPUT_PARTITIONS, replicas, dict(output_settings or {}))
    stage.write_task()
    return stage


def tickets(count: int, keys: int) -> list[Sent]:
    """Return messages that are all different, their keys taking turns in an uneven way."""
    return [ticket(i, keys) for i in range(count)]


def ticket(i: int, keys: int) -> Sent:
    value = {"id": f"m-{i:06}", "text": f"please cancel my order, it is number {i:06}"}
    return Sent(orjson.dumps(value), b"k%d" % (i * i % keys))


@contextlib.asynccontextmanager
async def admin_of(bootstrap: str) -> AsyncIterator[AIOKafkaAdminClient]:
    """An admin client for the length of the block."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


def _committed(place: Partition, found: OffsetAndMetadata | None) -> Committed | None:
    return None if found is None or found.offset < 0 else Committed(Position.restored(place, found.offset), found.metadata)


async def _read_to_the_end(reader: AIOKafkaConsumer, topics: Sequence[str]) -> list[Record]:
    partitions = []
    for topic in topics:
        await reader._client._wait_on_metadata(topic)
        partitions += [TopicPartition(topic, number) for number in sorted(reader.partitions_for_topic(topic) or ())]
    reader.assign(partitions)
    await reader.seek_to_beginning()
    ends = await reader.end_offsets(partitions)
    found: dict[TopicPartition, list[Record]] = {partition: [] for partition in partitions}
    deadline = time.monotonic() + 60
    while any([await reader.position(partition) < ends[partition] for partition in partitions]):
        assert time.monotonic() < deadline, f"{topics} cannot be read to their ends"
        for partition, records in (await reader.getmany(timeout_ms=100)).items():
            found[partition] += [record_of(record) for record in records]
    return [record for partition in partitions for record in found[partition]]


def record_of(record: object) -> Record:
    """Return our record for one of aiokafka's."""
    headers = tuple((name, value or b"") for name, value in record.headers)  # type: ignore[attr-defined]  # aiokafka is not typed
    place = Partition(record.topic, record.partition)  # type: ignore[attr-defined]  # the same
    return Record(place, record.offset, record.key, record.value, headers, record.timestamp)  # type: ignore[attr-defined]
