"""The contract of `topics.log`: publishing and committed offsets. Kept by the log in memory and by a real Kafka."""

import asyncio

import pytest

from tests.contracts.log_suite import at, new_name, values
from topics.errors import RecordTooLarge, WriterFenced, WriterLost
from topics.partitioner import partition_of
from topics.record import Outgoing, Partition


async def test_what_is_committed_is_visible_whole(bench, open_either):
    """After commit returns, a read_committed reader sees every record, and the group its offset and metadata."""
    source, target = Partition(await bench.create(1), 0), await bench.create(3)
    group, metadata = new_name(), "v1:" + "A" * 684
    writer = await open_either(source, group)
    outgoing = [Outgoing(target, b"key-%d" % n, b"value-%d" % n, (("n", b"%d" % n),)) for n in range(40)]
    await writer.commit(outgoing, at(source, 7, metadata))
    records = await bench.read(target)
    assert sorted((r.key, r.value, r.headers) for r in records) == sorted((o.key, o.value, o.headers) for o in outgoing)
    assert all(r.partition.number == partition_of(r.key, 3, 0) for r in records)
    assert await bench.log.committed(group, source) == at(source, 7, metadata)
    await writer.commit([], at(source, 8))
    assert await bench.log.committed(group, source) == at(source, 8)
    assert len(await bench.read(target)) == 40


async def test_records_of_one_key_stay_in_order(bench, open_either):
    """Within and between commits, records of one key are published in the order they were handed in."""
    source, target = Partition(await bench.create(1), 0), await bench.create(2)
    writer = await open_either(source, new_name())
    for start in (0, 300):
        numbers = range(start, start + 300)
        await writer.commit([Outgoing(target, b"one key", b"%d" % n + b"." * 2000, ()) for n in numbers], at(source, start))
    assert [int(v.rstrip(b".")) for v in values(await bench.read(target))] == list(range(600))


async def test_records_without_key_or_value_are_published(bench, open_either):
    """A null key goes to any partition; a null value stays null."""
    source, target = Partition(await bench.create(1), 0), await bench.create(2)
    writer = await open_either(source, new_name())
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


async def test_discard_is_harmless_at_any_time(bench):
    """A writer can be discarded before, after and instead of being opened, and twice."""
    writer = bench.log.writer(new_name(), new_name())
    writer.discard()
    await writer.open()
    writer.discard()
    writer.discard()
    with pytest.raises(WriterLost):
        await writer.commit([], at(Partition("t", 0), 1))
