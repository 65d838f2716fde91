"""What a lane was told is committed is there, once, after its only broker was killed: events and offsets alike."""

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient

from tests.helpers import until
from tests.kafka_fixtures import make_topic
from topics.connection import Connection
from topics.embedded import EmbeddedKafka
from topics.errors import WriterLost
from topics.kafka.log import KafkaLog
from topics.log import Log
from topics.record import Committed, Outgoing, Partition, Position

GROUP = "lanes"


async def work(log: Log, source: Partition, target: str, told: Counter[int], going_on: Callable[[int], bool]) -> None:
    """Commit an event and an offset for one message after another, from where the group is, as a lane does."""
    lane, writer = source.number, log.writer(f"{target}-{source.number}", GROUP)
    await writer.open()
    kept = await log.committed(GROUP, source)
    told[lane] = 0 if kept is None else kept.position.offset
    with suppress(WriterLost):
        while going_on(told[lane]):
            event = Outgoing(target, b"%d" % lane, b"%d of %d" % (told[lane], lane), ())
            await writer.commit([event], Committed(Position.restored(source, told[lane] + 1), ""))
            told[lane] += 1
    writer.discard()


async def read_all(log: Log, topic: str) -> Counter[bytes | None]:
    """Return how often each value is seen by a read_committed reader."""
    seen: Counter[bytes | None] = Counter()
    async with log.reader() as reader:
        ends = await reader.ends(await log.partitions(topic))
        for place, end in ends.items():
            async for chunk in reader.read(Position.restored(place, 0), end):
                seen.update(record.value for record in chunk.records)
    return seen


async def test_a_killed_broker_keeps_every_commit_it_acknowledged(tmp_path: Path):
    """Lanes that go on after the crash from what their group committed leave each event once (Kafka 4.3.1: KAFKA-20734)."""
    cluster = EmbeddedKafka(tmp_path)
    try:
        await asyncio.to_thread(cluster.start)
        admin = AIOKafkaAdminClient(bootstrap_servers=cluster.bootstrap)
        await admin.start()
        source, target = await make_topic(admin, "messages", 8, 1), await make_topic(admin, "events", 4, 1)
        await admin.close()
        log, told = KafkaLog(Connection(cluster.bootstrap)), Counter[int]()
        crash = asyncio.Event()
        lanes = await log.partitions(source)
        async with asyncio.timeout(120), asyncio.TaskGroup() as lanes_before:
            for lane in lanes:
                lanes_before.create_task(work(log, lane, target, told, lambda _: not crash.is_set()))
            await until(lambda: told.total() > 100, 60)
            await asyncio.to_thread(cluster.node(1).kill)
            crash.set()
            acknowledged = dict(told)
            await asyncio.to_thread(cluster.node(1).start)
        goal = max(acknowledged.values()) + 2
        async with asyncio.timeout(120), asyncio.TaskGroup() as successors:
            for lane in lanes:
                successors.create_task(work(log, lane, target, told, lambda offset: offset < goal))
        expected = Counter(b"%d of %d" % (number, lane.number) for lane in lanes for number in range(goal))
        assert await read_all(log, target) == expected
        await log.close()
    finally:
        cluster.destroy()
