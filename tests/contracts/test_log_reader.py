"""The contract of a log's reader: committed records only, from any place to any place. In memory and on a real Kafka."""

from tests.contracts.log_suite import new_name
from topics.record import Committed, Outgoing, Partition, Position


async def test_a_reader_gives_what_is_committed_and_joins_no_group(bench, open_writer):
    """Markers and an open transaction are no records; chunks follow each other without a gap up to the end that was asked."""
    place, source = Partition(await bench.create(1), 0), Partition(await bench.create(1), 0)
    group = new_name()
    writer = await open_writer(new_name(), group)
    for number in range(3):
        events = [Outgoing(place.topic, None, b"%d-%d" % (number, i), ()) for i in range(2)]
        await writer.commit(events, Committed(Position.restored(source, number), ""))
    pending = Outgoing(place.topic, None, b"pending", ())
    await bench.abandon_transaction(new_name(), group, pending, Committed(Position.restored(source, 9), ""))
    async with bench.log.reader() as reader:
        end = (await reader.ends([place]))[place]
        chunks = [chunk async for chunk in reader.read(Position.restored(place, 0), end)]
        assert [r.value for c in chunks for r in c.records] == [b"0-0", b"0-1", b"1-0", b"1-1", b"2-0", b"2-1"]
        assert [c.start for c in chunks] == [0, *(c.end for c in chunks)][:-1]
        assert chunks[-1].end == end
        rest = [c async for c in reader.read(Position.restored(place, chunks[0].records[3].offset), end)]
        assert [r.value for c in rest for r in c.records] == [b"1-1", b"2-0", b"2-1"]
        assert [c async for c in reader.read(Position.restored(place, end), end)] == []
