"""The contract of `topics.log`, kept by the log in memory and by a real Kafka."""

import asyncio
import time

import pytest

from tests.contracts.log_suite import KafkaBench, Member, MemoryBench, new_name, seek_all, until_owned
from topics.errors import LogRefused, RecordTooLarge, WriterFenced, WriterLost
from topics.partitioner import partition_of
from topics.record import Committed, Outgoing, Partition, Position

GROUP_WAIT = 20


@pytest.fixture(params=["memory", pytest.param("kafka", marks=pytest.mark.broker)])
async def bench(request):
    made = MemoryBench() if request.param == "memory" else KafkaBench(request.getfixturevalue("kafka").bootstrap)
    yield made
    await made.close()


@pytest.fixture
async def join(bench):
    members = []

    async def joined(group, *topics, log=None):
        member = Member((log or bench.log).intake(group))
        members.append(member)
        await member.intake.start(topics, member)
        return member

    yield joined
    for member in members:
        await member.stop()


@pytest.fixture
async def open_writer(bench):
    writers = []

    async def opened(transactional_id, group, log=None):
        writer = (log or bench.log).writer(transactional_id, group)
        writers.append(writer)
        await writer.open()
        return writer

    yield opened
    for writer in writers:
        writer.discard()


def at(partition, offset, metadata=""):
    return Committed(Position.restored(partition, offset), metadata)


def values(records):
    return [record.value for record in records]


async def test_records_come_in_offset_order_and_whole(bench, join):
    """Key, value, headers, timestamp and order come back as they were written; nulls stay null."""
    place = Partition(await bench.create(1), 0)
    await bench.produce(place, b"v0", key=b"k0", headers=(("h", b"1"), ("h", b"2"), ("e", b"")), timestamp_ms=1_700_000_000_123)
    await bench.produce(place, None, key=b"k1")
    await bench.produce(place, b"v2")
    await bench.produce(place, None)
    member = await join(new_name(), place.topic)
    seek_all(member)
    records = await member.take(4)
    assert [(r.offset, r.key, r.value) for r in records] == [
        (0, b"k0", b"v0"),
        (1, b"k1", None),
        (2, None, b"v2"),
        (3, None, None),
    ]
    assert records[0].headers == (("h", b"1"), ("h", b"2"), ("e", b""))
    assert records[0].timestamp_ms == 1_700_000_000_123
    assert records[1].headers == ()
    assert {r.partition for r in records} == {place}


async def test_nothing_is_read_before_seek(bench, join):
    """A partition gives nothing before it was sought, and other partitions are not held up by it."""
    topic = await bench.create(2)
    unsought, sought = Partition(topic, 0), Partition(topic, 1)
    await bench.produce(unsought, b"early")
    await bench.produce(sought, b"due")
    member = await join(new_name(), topic)
    member.intake.seek(Position.restored(sought, 0))
    assert values(await member.take(1)) == [b"due"]
    assert await member.poll_for(0.7) == []
    member.intake.seek(Position.restored(unsought, 0))
    assert values(await member.take(1)) == [b"early"]


async def test_seek_decides_where_reading_begins(bench, join):
    """Reading begins at the sought offset, forwards and backwards, whatever was fetched before."""
    place = Partition(await bench.create(1), 0)
    for number in range(6):
        await bench.produce(place, b"%d" % number)
    member = await join(new_name(), place.topic)
    member.intake.seek(Position.restored(place, 4))
    assert values(await member.take(2)) == [b"4", b"5"]
    member.intake.seek(Position.restored(place, 1))
    assert values(await member.take(5)) == [b"1", b"2", b"3", b"4", b"5"]


async def test_a_poll_returns_at_most_what_was_asked_and_loses_nothing(bench, join):
    """The next poll goes on where the last one ended, also when another partition was wanted in between."""
    topic = await bench.create(2)
    one, two = Partition(topic, 0), Partition(topic, 1)
    for number in range(20):
        await bench.produce(one, b"%d" % number)
    member = await join(new_name(), topic)
    seek_all(member)
    got = []
    deadline = time.monotonic() + 10
    while len(got) < 20:
        assert time.monotonic() < deadline, got
        got += (batch := await member.intake.poll([one], 3, 0.05))
        assert len(batch) <= 3
        assert await member.intake.poll([two], 3, 0.001) == []
        assert await member.intake.poll([], 3, 0.001) == []
    assert values(got) == [b"%d" % number for number in range(20)]


async def test_wanting_nothing_returns_nothing_and_keeps_the_membership(bench, join):
    """Polls that want nothing return nothing, and no rebalance follows, for longer than a heartbeat."""
    place = Partition(await bench.create(1), 0)
    await bench.produce(place, b"v")
    member = await join(new_name(), place.topic)
    seek_all(member)
    started = time.monotonic()
    assert await member.poll_for(1.5, wanted=()) == []
    assert time.monotonic() - started < 4
    assert member.told == [("assigned", frozenset({place}))]
    assert values(await member.take(1)) == [b"v"]


async def test_partitions_that_are_not_ours_are_ignored(bench, join):
    """Wanting or seeking an alien partition is harmless."""
    place = Partition(await bench.create(1), 0)
    alien = Partition(new_name(), 3)
    await bench.produce(place, b"v")
    member = await join(new_name(), place.topic)
    member.intake.seek(Position.restored(alien, 0))
    assert member.intake.end_offset(alien) is None
    seek_all(member)
    assert values(await member.take(1, wanted=[alien, place])) == [b"v"]
    assert member.intake.end_offset(place) == 1


async def test_a_committed_transaction_is_visible_whole(bench, open_writer):
    """After commit returns, a read_committed reader sees every record, and the group its offset and metadata."""
    source, target = Partition(await bench.create(1), 0), await bench.create(3)
    group, metadata = new_name(), "v1:" + "A" * 684
    writer = await open_writer(new_name(), group)
    outgoing = [Outgoing(target, b"key-%d" % n, b"value-%d" % n, (("n", b"%d" % n),)) for n in range(40)]
    await writer.commit(outgoing, at(source, 7, metadata))
    records = await bench.read(target)
    assert sorted((r.key, r.value, r.headers) for r in records) == sorted((o.key, o.value, o.headers) for o in outgoing)
    assert all(r.partition.number == partition_of(r.key, 3, 0) for r in records)
    assert await bench.log.committed(group, source) == at(source, 7, metadata)
    await writer.commit([], at(source, 8))
    assert await bench.log.committed(group, source) == at(source, 8)
    assert len(await bench.read(target)) == 40


async def test_records_of_one_key_stay_in_order(bench, open_writer):
    """Within and between transactions, records of one key are published in the order they were handed in."""
    source, target = Partition(await bench.create(1), 0), await bench.create(2)
    writer = await open_writer(new_name(), new_name())
    for start in (0, 300):
        numbers = range(start, start + 300)
        await writer.commit([Outgoing(target, b"one key", b"%d" % n + b"." * 2000, ()) for n in numbers], at(source, start))
    assert [int(v.rstrip(b".")) for v in values(await bench.read(target))] == list(range(600))


async def test_records_without_key_or_value_are_published(bench, open_writer):
    """A null key goes to any partition; a null value stays null."""
    source, target = Partition(await bench.create(1), 0), await bench.create(2)
    writer = await open_writer(new_name(), new_name())
    await writer.commit([Outgoing(target, None, b"v", ()), Outgoing(target, b"k", None, ())], at(source, 1))
    assert {(r.key, r.value) for r in await bench.read(target)} == {(None, b"v"), (b"k", None)}


async def test_nothing_is_committed_at_first(bench):
    """A group that committed nothing has no position."""
    assert await bench.log.committed(new_name(), Partition(await bench.create(1), 0)) is None


async def test_an_uncommitted_transaction_is_never_visible(bench, open_writer):
    """What a writer left open is hidden, and open() of its successor settles it: nothing of it appears or is committed."""
    source, target = Partition(await bench.create(1), 0), await bench.create(1)
    transactional_id, group = new_name(), new_name()
    first = await open_writer(transactional_id, group)
    await first.commit([Outgoing(target, b"k", b"kept", ())], at(source, 1))
    await bench.abandon_transaction(transactional_id, group, Outgoing(target, b"k", b"lost", ()), at(source, 9))
    assert values(await bench.read(target)) == [b"kept"]
    successor = await open_writer(transactional_id, group)
    assert await bench.log.committed(group, source) == at(source, 1)
    await successor.commit([Outgoing(target, b"k", b"later", ())], at(source, 2))
    assert values(await bench.read(target)) == [b"kept", b"later"]


async def test_committed_waits_for_a_pending_transaction(bench, open_writer):
    """While a transaction that moves the offset is undecided, committed() does not answer; then it tells the outcome."""
    source, target = Partition(await bench.create(1), 0), await bench.create(1)
    transactional_id, group = new_name(), new_name()
    await bench.abandon_transaction(transactional_id, group, Outgoing(target, b"k", b"lost", ()), at(source, 9))
    asking = asyncio.create_task(bench.log.committed(group, source))
    await asyncio.wait({asking}, timeout=0.5)
    assert not asking.done()
    await open_writer(transactional_id, group)
    assert await asking is None


async def test_a_second_writer_fences_the_first(bench, open_writer):
    """After another writer with the same id opened, the first one's commit fails and publishes nothing."""
    source, target = Partition(await bench.create(1), 0), await bench.create(2)
    transactional_id, group = new_name(), new_name()
    zombie = await open_writer(transactional_id, group)
    await zombie.commit([Outgoing(target, b"k", b"before", ())], at(source, 1))
    owner = await open_writer(transactional_id, group, log=bench.other_log)
    with pytest.raises((WriterFenced, WriterLost)):
        await zombie.commit([Outgoing(target, b"k", b"zombie", ())], at(source, 9))
    zombie.discard()
    await owner.commit([Outgoing(target, b"k", b"after", ())], at(source, 2))
    assert sorted(values(await bench.read(target))) == [b"after", b"before"]
    assert await bench.log.committed(group, source) == at(source, 2)


@pytest.mark.parametrize("milliseconds", [0, 1, 3, 6, 9, 13, 20])
async def test_committed_after_open_tells_the_truth_about_an_ambiguous_commit(bench, open_writer, milliseconds):
    """A commit broken off anywhere is published whole or not at all, and the offset says which."""
    source, target = Partition(await bench.create(1), 0), await bench.create(2)
    transactional_id, group = new_name(), new_name()
    writer = await open_writer(transactional_id, group)
    outgoing = [Outgoing(target, b"%d" % n, b"v", ()) for n in range(10)]
    committing = asyncio.create_task(writer.commit(outgoing, at(source, 10, "map")))
    await asyncio.wait({committing}, timeout=milliseconds / 1000)
    committing.cancel()
    await asyncio.wait({committing})
    writer.discard()
    successor = await open_writer(transactional_id, group, log=bench.other_log)
    committed = await bench.other_log.committed(group, source)
    assert committed in (None, at(source, 10, "map"))
    assert len(await bench.read(target)) == (10 if committed else 0)
    await successor.commit([], at(source, 11))
    assert len(await bench.read(target)) == (10 if committed else 0)


async def test_a_record_too_large_is_refused_before_anything_is_sent(bench, open_writer):
    """RecordTooLarge names the record; none of the burst appears, and the offset does not move."""
    source, target = Partition(await bench.create(1), 0), await bench.create(1)
    transactional_id, group = new_name(), new_name()
    writer = await open_writer(transactional_id, group)
    small, large = Outgoing(target, b"k", b"small", ()), Outgoing(target, b"k", b"x" * (2 * 1024 * 1024), ())
    with pytest.raises(RecordTooLarge) as refused:
        await writer.commit([small, small, large, small], at(source, 4))
    assert refused.value.index == 2
    assert refused.value.size_bytes > 2 * 1024 * 1024
    writer.discard()
    successor = await open_writer(transactional_id, group)
    assert await bench.log.committed(group, source) is None
    await successor.commit([small], at(source, 4))
    assert values(await bench.read(target)) == [b"small"]


async def test_two_intakes_share_and_one_takes_over_when_the_other_leaves(bench, join):
    """Partitions are split between members; when one leaves, the other gives up, then gets everything."""
    topic, group = await bench.create(4), new_name()
    everything = frozenset(Partition(topic, n) for n in range(4))
    one = await join(group, topic)
    assert one.owned == everything
    starting = asyncio.create_task(join(group, topic, log=bench.other_log))
    deadline = time.monotonic() + GROUP_WAIT
    while not starting.done():
        assert time.monotonic() < deadline
        await one.intake.poll((), 1, 0.05)
    two = starting.result()
    await until_owned(4, one, two)
    assert one.owned | two.owned == everything
    assert len(one.owned) == len(two.owned) == 2
    kept = one.owned
    await two.stop()
    assert two.told[-1][0] == "assigned"
    deadline = time.monotonic() + GROUP_WAIT
    while one.owned != everything:
        assert time.monotonic() < deadline, one.told
        await one.intake.poll((), 1, 0.05)
    assert one.told[0] == ("assigned", everything)
    assert ("revoked", everything) in one.told
    assert one.told[-2:] == [("revoked", kept), ("assigned", everything)]


async def test_a_rebalance_forgets_what_was_sought(bench, join):
    """After a rebalance nothing is read until the partition is sought again, even if it stayed ours."""
    topic, group = await bench.create(2), new_name()
    for number in range(2):
        await bench.produce(Partition(topic, number), b"v")
    one = await join(group, topic)
    seek_all(one)
    await one.take(2)
    starting = asyncio.create_task(join(group, topic, log=bench.other_log))
    while not starting.done():
        await one.intake.poll(one.owned, 10, 0.05)
    two = starting.result()
    await until_owned(2, one, two)
    assert await one.poll_for(0.5) == []
    assert await two.poll_for(0.5) == []
    seek_all(one)
    seek_all(two)
    assert len(await one.take(1)) == len(await two.take(1)) == 1


async def test_new_partitions_are_found(bench, join):
    """When a topic grows, the group rebalances by itself and the new partitions are owned."""
    topic = await bench.create(1)
    member = await join(new_name(), topic)
    await bench.grow(topic, 3)
    await until_owned(3, member)
    assert [what for what, _ in member.told] == ["assigned", "revoked", "assigned"]


async def test_earliest_follows_deletion(bench, join):
    """The earliest position is zero at first, and the first record kept after older ones were deleted."""
    place = Partition(await bench.create(1), 0)
    assert await bench.log.earliest(place) == Position.restored(place, 0)
    for number in range(5):
        await bench.produce(place, b"%d" % number)
    await bench.trim(place, 3)
    assert await bench.log.earliest(place) == Position.restored(place, 3)
    member = await join(new_name(), place.topic)
    seek_all(member, offset=3)
    assert values(await member.take(2)) == [b"3", b"4"]


async def test_a_missing_topic_is_refused_with_what_to_do(bench):
    """Joining for a topic that does not exist is refused in one sentence."""
    topic = new_name()
    assert list(await bench.log.partitions(topic)) == []
    intake = bench.log.intake(new_name())
    with pytest.raises(LogRefused) as refused:
        await intake.start([topic], Member(intake))
    assert str(refused.value) == f"topic {topic} does not exist: create it with `nanotriage topics apply`"
    await intake.stop()


async def test_questions_about_topics_and_the_cluster(bench):
    """partitions() lists a topic's partitions in order; the cluster id is one stable text."""
    topic = await bench.create(3)
    assert list(await bench.log.partitions(topic)) == [Partition(topic, n) for n in range(3)]
    assert await bench.log.cluster_id() == await bench.other_log.cluster_id() != ""


async def test_discard_is_harmless_at_any_time(bench):
    """A writer can be discarded before, after and instead of being opened, and twice."""
    writer = bench.log.writer(new_name(), new_name())
    writer.discard()
    await writer.open()
    writer.discard()
    writer.discard()
    with pytest.raises(WriterLost):
        await writer.commit([], at(Partition("t", 0), 1))
