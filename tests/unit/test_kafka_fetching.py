"""What a fetch that fails half-way leaves behind: aiokafka's own fetcher, over batches of which one is damaged."""

import asyncio
from types import SimpleNamespace

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import Fetcher, FetchResult, PartitionRecords
from aiokafka.consumer.subscription_state import SubscriptionState
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords

from topics.kafka.intake import KafkaIntake, Member
from topics.kafka.settings import IntakeTimings
from topics.record import Partition, Position

PLACES = [Partition("in", 0), Partition("in", 1)]


def batch(values, *, damaged=False):
    builder = DefaultRecordBatchBuilder(2, 0, False, -1, -1, -1, 16_384)
    for offset, value in enumerate(values):
        builder.append(offset, 0, None, value, [])
    built = builder.build()
    if damaged:
        built[-1] ^= 0xFF
    return bytes(built)


class Consumer:
    """A consumer of two partitions whose log is given; fetches come from it instead of a broker."""

    def __init__(self, logs):
        self.logs = logs
        self._subscription = SubscriptionState()
        self._subscription.subscribe({"in"}, None)
        self._subscription.assign_from_subscribed({TopicPartition(*place) for place in logs})
        self._fetcher = Fetcher.__new__(Fetcher)
        self._fetcher._subscriptions = self._subscription
        self._fetcher._records = {}
        self._fetcher._closed = False
        self._fetcher._wait_consume_future = asyncio.get_running_loop().create_future()
        self._coordinator = SimpleNamespace(_coordination_task=asyncio.get_running_loop().create_future())

    def seek(self, place, offset):
        self._subscription.seek(place, offset)
        self._fetcher._records.pop(place, None)

    def resume(self, place):
        self._subscription.resume(place)

    async def getmany(self, *places, timeout_ms, max_records):
        del timeout_ms
        assignment = self._subscription.subscription.assignment
        for place in places:
            position = assignment.state_value(place).position
            if place not in self._fetcher._records and position == 0:
                records = MemoryRecords(self.logs[tuple(place)])
                read = PartitionRecords(place, records, [], position, None, None, True, 1)
                fetched = FetchResult(place, assignment=assignment, partition_records=read, backoff=0)
                self._fetcher._records[place] = fetched
        return await self._fetcher.fetched_records(places, 0, max_records)


def reading(consumer):
    intake = KafkaIntake(None, IntakeTimings(), None, None, None, Member("g", None))
    intake._consumer = consumer
    intake._assignment.replace(consumer.logs)
    for place in consumer.logs:
        intake.seek(Position.restored(place, 0))
    return intake


async def test_a_damaged_batch_takes_no_record_of_another_partition_along():
    """The fetcher had taken three records of the healthy partition when the other one's checksum failed: they come again."""
    consumer = Consumer({PLACES[0]: batch([b"0", b"1", b"2"]), PLACES[1]: batch([b"x"], damaged=True)})
    intake = reading(consumer)
    with pytest.raises(CorruptRecordException):
        await intake._fetch(consumer, PLACES, 100, 0)
    consumer.logs[PLACES[1]] = batch([b"x"])  # fetched again, it is whole
    got = []
    for _ in range(4):
        await intake._fetch(consumer, PLACES, 100, 0)
        got += intake._assignment.take(PLACES, 100)
    assert sorted(record.value for record in got) == [b"0", b"1", b"2", b"x"]
    assert intake.reached(PLACES[0]) == Position.restored(PLACES[0], 3)


@pytest.mark.parametrize("damaged", range(3))
async def test_a_batch_that_stays_damaged_stops_no_other_partition(damaged, caplog):
    """They come with it in one answer of the broker, again and again; it is said once that something cannot be read."""
    places = [Partition("in", number) for number in range(3)]
    consumer = Consumer({p: batch([b"%d" % p.number] * 2, damaged=p.number == damaged) for p in places})
    intake = reading(consumer)
    got = []
    for _ in range(12):
        got += await intake.poll(places, 100, 0.001)
    assert sorted(int(record.value) for record in got) == sorted(2 * [n for n in range(3) if n != damaged])
    assert len(caplog.records) == 1
