"""The contract of publishing beside all transactions. In memory and on a real Kafka."""

import pytest

from topics.errors import RecordTooLarge
from topics.record import Outgoing, Partition, Position


async def values_of(log, topic):
    place = Partition(topic, 0)
    async with log.reader() as reader:
        end = (await reader.ends([place]))[place]
        return [r.value async for chunk in reader.read(Position.restored(place, 0), end) for r in chunk.records]


async def test_what_is_published_is_there_when_it_returns(bench):
    """In order, with its key, a null value included; and a record that is too large costs the next one nothing."""
    topic = await bench.create(1)
    await bench.log.publish([Outgoing(topic, b"k", b"one", ()), Outgoing(topic, b"k", None, ())])
    with pytest.raises(RecordTooLarge):
        await bench.log.publish([Outgoing(topic, b"k", b"x" * (2 * 1024 * 1024), ())])
    await bench.log.publish([Outgoing(topic, b"k", b"two", ())])
    assert await values_of(bench.log, topic) == [b"one", None, b"two"]
