"""The contract of `topics.log`: a member's writer, without transactions. Kept by the log in memory and by a real Kafka.

What both kinds of writers promise is in `test_log_writer.py`.
"""

import asyncio
import time

import pytest

from tests.contracts.log_suite import Member, at, new_name, until_owned, values
from topics.errors import LogUnavailable, RecordTooLarge, WriterFenced, WriterLost
from topics.record import Outgoing, Partition


async def opened(member):
    writer = member.intake.writer()
    await writer.open()
    return writer


async def test_a_member_the_group_has_forgotten_commits_nothing(bench, join):
    """A zombie's events are there, since nothing fences them, but its position is refused, and from then on they are not even sent."""
    source, target, group = Partition(await bench.create(1), 0), await bench.create(1), new_name()
    zombie = await join(group, source.topic)
    writer, other = await opened(zombie), await opened(zombie)
    await writer.commit([Outgoing(target, b"k", b"before", ())], at(source, 1, "v1:"))
    await bench.expel(zombie.intake, group)
    with pytest.raises(WriterFenced):
        await writer.commit([Outgoing(target, b"k", b"zombie", ())], at(source, 9))
    assert await bench.other_log.committed(group, source) == at(source, 1, "v1:")
    assert values(await bench.read(target)) == [b"before", b"zombie"]
    with pytest.raises(WriterFenced):
        await other.commit([Outgoing(target, b"k", b"again", ())], at(source, 9))
    assert len(await bench.read(target)) == 2


async def test_a_writer_of_an_earlier_assignment_commits_nothing(bench, join):
    """Opened before a rebalance, a writer is of no use after it, also when the partition stayed ours."""
    topic, target, group = await bench.create(2), await bench.create(1), new_name()
    one = await join(group, topic)
    writer = await opened(one)
    joining = asyncio.create_task(join(group, topic, log=bench.other_log))
    while not joining.done():
        await one.intake.poll((), 1, 0.05)
    two = joining.result()
    await until_owned(2, one, two)
    (kept,) = one.owned
    with pytest.raises(WriterFenced):
        await writer.commit([Outgoing(target, b"k", b"late", ())], at(kept, 5))
    assert await bench.read(target) == []
    await (await opened(one)).commit([Outgoing(target, b"k", b"one", ())], at(kept, 1))
    (other,) = two.owned
    await (await opened(two)).commit([Outgoing(target, b"k", b"two", ())], at(other, 2))
    assert [await bench.log.committed(group, place) for place in (kept, other)] == [at(kept, 1), at(other, 2)]


async def test_the_last_commit_is_taken_while_partitions_are_revoked(bench, join):
    """Whoever gives a partition up can still commit what it has settled; the group waits for it."""
    topic, target, group = await bench.create(1), await bench.create(1), new_name()

    class Committing(Member):
        async def revoked(self, partitions):
            await self.writer.commit([Outgoing(target, b"k", b"last", ())], at(*partitions, 3))
            await super().revoked(partitions)

    leaving = Committing(bench.log.intake(group))
    await leaving.intake.start([topic], leaving)
    leaving.writer = await opened(leaving)
    joining = asyncio.create_task(join(group, topic, log=bench.other_log))
    deadline = time.monotonic() + 20
    while not joining.done():
        assert time.monotonic() < deadline
        await leaving.intake.poll((), 1, 0.05)
    assert await bench.log.committed(group, Partition(topic, 0)) == at(Partition(topic, 0), 3)
    await leaving.stop()


async def test_lanes_share_a_producer_and_not_their_troubles(bench, join):
    """Writers of one member commit side by side; one that is discarded takes nothing from the others."""
    topic, target, group = await bench.create(3), await bench.create(2), new_name()
    member = await join(group, topic)
    writers = [await opened(member) for _ in range(3)]
    places = [Partition(topic, number) for number in range(3)]

    async def commit(writer, place, count):
        for n in range(1, count + 1):
            await writer.commit([Outgoing(target, b"%d" % place.number, b"%d" % n, ())], at(place, n))

    await asyncio.gather(*(commit(writer, place, 20) for writer, place in zip(writers, places, strict=True)))
    writers[0].discard()
    await commit(writers[1], places[1], 25)
    assert [(await bench.log.committed(group, place)).position.offset for place in places] == [20, 25, 20]
    assert len(await bench.read(target)) == 20 + 20 + 25 + 20


async def test_a_record_too_large_is_refused_before_anything_is_sent(bench, join):
    """RecordTooLarge names the record; none of the burst appears, and the offset does not move."""
    source, target, group = Partition(await bench.create(1), 0), await bench.create(1), new_name()
    member = await join(group, source.topic)
    writer = await opened(member)
    small, large = Outgoing(target, b"k", b"small", ()), Outgoing(target, b"k", b"x" * (2 * 1024 * 1024), ())
    with pytest.raises(RecordTooLarge) as refused:
        await writer.commit([small, small, large, small], at(source, 4))
    assert refused.value.index == 2
    assert await bench.log.committed(group, source) is None
    await (await opened(member)).commit([small], at(source, 4))
    assert values(await bench.read(target)) == [b"small"]


async def test_a_writer_needs_a_member(bench, join):
    """Before the group was joined and after it was left no writer opens; discarding is harmless at any time."""
    intake = bench.log.intake(new_name())
    with pytest.raises(LogUnavailable):
        await intake.writer().open()
    member = await join(new_name(), await bench.create(1))
    writer = await opened(member)
    writer.discard()
    writer.discard()
    with pytest.raises(WriterLost):
        await writer.commit([], at(Partition("t", 0), 1))
    await member.stop()
    with pytest.raises(LogUnavailable):
        await writer.open()
