"""The contract of `topics.log`: reading and membership of a group. Kept by the log in memory and by a real Kafka."""

import asyncio
import time

import pytest

from tests.contracts.log_suite import Member, at, new_name, seek_all, until_owned, values
from topics.errors import LogRefused
from topics.record import Outgoing, Partition, Position

GROUP_WAIT = 20


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


async def test_how_far_was_read_never_passes_a_record_and_ends_at_the_end(bench, join, open_writer):
    """Behind markers and aborted records it is the log's end; before, every record below was returned by a poll."""
    place, group = Partition(await bench.create(1), 0), new_name()
    member = await join(group, place.topic)
    assert member.intake.reached(place) is None
    upstream = new_name()
    for number in range(4):
        writer = await open_writer(upstream, new_name())
        records = [Outgoing(place.topic, b"k", b"%d.%d" % (number, row), ()) for row in range(3)]
        await writer.commit(records, at(Partition(place.topic, 0), 0))
        aborted = Outgoing(place.topic, b"k", b"undone", ())
        await bench.abandon_transaction(upstream, new_name(), aborted, at(Partition(place.topic, 0), 0))
    await open_writer(upstream, new_name())
    visible = {record.offset for record in await bench.read(place.topic)}
    assert len(visible) == 12
    seek_all(member)
    got, deadline = set(), time.monotonic() + 20
    while (reached := member.intake.reached(place)) is None or reached.offset != member.intake.end_offset(place):
        assert time.monotonic() < deadline, (reached, got)
        got |= {record.offset for record in await member.intake.poll([place], 2, 0.05)}
        assert {offset for offset in visible if offset < member.intake.reached(place).offset} == got
    assert got == visible
    assert member.intake.end_offset(place) == 24
    member.intake.seek(Position.restored(place, 5))
    assert member.intake.reached(place) == Position.restored(place, 5)


async def test_partitions_that_are_not_ours_are_ignored(bench, join):
    """Wanting or seeking an alien partition is harmless."""
    place = Partition(await bench.create(1), 0)
    alien = Partition(new_name(), 3)
    await bench.produce(place, b"v")
    member = await join(new_name(), place.topic)
    member.intake.seek(Position.restored(alien, 0))
    assert member.intake.end_offset(alien) is member.intake.reached(alien) is None
    seek_all(member)
    assert values(await member.take(1, wanted=[alien, place])) == [b"v"]
    assert member.intake.end_offset(place) == 1
    assert member.intake.partitions(place.topic) >= 1
    assert member.intake.partitions("unheard-of") == 0


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
