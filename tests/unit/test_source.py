"""The source: what a stop and a rebalance do to each other."""

import asyncio
import contextlib
from dataclasses import replace

from tests.helpers import until
from topics.errors import WriterLost
from topics.lane_facts import LaneRules, LaneState
from topics.ledger import Order
from topics.memory import MemoryCluster
from topics.record import Committed, Outgoing, Partition, Position
from topics.source import Source

RULES = LaneRules("g", "app", Order.NONE, lambda event: event, commit_seconds=0.01, idle_seconds=0.05)


async def source_of(cluster):
    """Return a started source whose two lanes are active."""
    source = Source(cluster.log(), replace(RULES), lambda fact: None, asyncio.get_running_loop().time)
    await source.start(["in"])
    await until(lambda: [s.state for s in source.standings().values()] == [LaneState.ACTIVE] * 2)
    return source


def cluster_of():
    cluster = MemoryCluster()
    cluster.create("in", 2)
    cluster.create("out", 1)
    return cluster


async def test_a_stop_during_a_rebalance_is_a_stop():
    """Both close the same lanes; what was settled is published once, and neither fails."""
    cluster = cluster_of()
    source = await source_of(cluster)
    cluster.produce("in", b"k", b"v", partition=0)
    (arrival,) = await source.pull({"in": 10}, 1)
    assert source.settle(arrival.receipt, [Outgoing("out", b"k", b"done", ())])
    await asyncio.gather(source.revoked([Partition("in", 0), Partition("in", 1)]), source.stop())
    assert [record.value for record in cluster.read("out")] == [b"done"]
    assert source.standings() == {}


async def test_what_is_assigned_during_a_stop_is_closed_again():
    """A rebalance that ends while the group is being left leaves no lane behind, and no task."""
    cluster = cluster_of()
    source = await source_of(cluster)
    others = asyncio.all_tasks()
    leave = source._intake.stop

    async def assigned_first():
        source.assigned([Partition("in", 0)])
        await leave()

    source._intake.stop = assigned_first
    await source.stop()
    assert source.standings() == {}
    assert asyncio.all_tasks() <= others


async def test_an_idle_source_commits_past_what_is_no_record():
    """Markers and aborted records behind the last event, and a partition with nothing else in it, stop counting as lag."""
    cluster = cluster_of()
    source = await source_of(cluster)
    places = [Partition("in", 0), Partition("in", 1)]
    upstream = cluster.log().writer("upstream", "others")
    for number in range(4):
        await upstream.open()
        if number % 2:
            cluster.lose_next_commit(applied=False)
        rows = [Outgoing("in", b"%d" % row, b"v", ()) for row in range(8)]
        with contextlib.suppress(WriterLost):
            await upstream.commit(rows, Committed(Position.restored(Partition("other", 0), number), ""))
    await upstream.open()  # aborts the last one
    ends = {place: cluster.partition_log(place).end for place in places}
    async with asyncio.timeout(10):
        while {p: c.position.offset for p in places if (c := cluster.committed("g", p))} != ends:
            for arrival in await source.pull({"in": 10}, 0.01):
                source.settle(arrival.receipt, [Outgoing("out", b"k", b"done", ())])
    assert len(cluster.read("out")) == len(cluster.read("in")) == 16
    await source.stop()


async def test_an_answer_that_comes_while_its_old_lane_still_closes_settles_the_new_one():
    """An assignment that did not wait for the revocation: nothing waits for an answer that was thrown away."""
    cluster = cluster_of()
    source = await source_of(cluster)
    for number in range(2):
        cluster.produce("in", b"k", b"%d" % number, partition=0)
    early, late = (arrival.receipt for arrival in await source.pull({"in": 10}, 1))
    source.assigned(Partition("in", number) for number in range(2))
    assert not source.settle(early, [Outgoing("out", b"k", b"early", ())])
    await until(lambda: [s.state for s in source.standings().values()] == [LaneState.ACTIVE] * 2)
    assert await source.pull({"in": 10}, 1) == [], "both are answered by calls of before"
    assert source.settle(late, [Outgoing("out", b"k", b"late", ())])
    await source.stop()
    assert [record.value for record in cluster.read("out")] == [b"early", b"late"]


async def test_a_partition_that_was_made_anew_is_quarantined_and_loses_nothing():
    """Its records take offsets that were read before. None is taken for done: after a reset all are published."""
    cluster, place = cluster_of(), Partition("in", 0)
    source = await source_of(cluster)

    async def work(source, count):
        for _ in range(count):
            cluster.produce("in", b"k", b"v", partition=0)
        for _ in range(5):
            for arrival in await source.pull({"in": 10}, 0.01):
                source.settle(arrival.receipt, [Outgoing("out", b"k", b"%d" % arrival.receipt.offset, ())])

    await work(source, 3)
    await until(lambda: len(cluster.read("out")) == 3)
    cluster.make_anew(place)
    await work(source, 2)
    assert source.standings()[place].state is LaneState.QUARANTINED
    await source.stop()
    assert cluster.committed("g", place).position.offset == 3, "nothing of the old log is said of the new one"

    source = await source_of(cluster)  # a restart does not take them for done either
    await work(source, 0)
    assert source.standings()[place].state is LaneState.QUARANTINED
    await source.stop()

    tool = cluster.log().writer("tool", "g")
    await tool.open()
    await tool.commit([], Committed(Position.restored(place, 0), ""))
    source = await source_of(cluster)
    await work(source, 0)
    await source.stop()
    assert [record.value for record in cluster.read("out")] == [b"0", b"1", b"2", b"0", b"1"]
