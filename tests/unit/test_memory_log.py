"""The log in memory beyond the contract: its faults, its markers, its zombies, and time that is not real."""

import asyncio

import pytest

from tests.helpers import until
from topics.errors import LogUnavailable, WriterFenced, WriterLost
from topics.memory import Delays, MemoryCluster
from topics.record import Committed, Outgoing, Partition, Position

IN = Partition("in", 0)


class Owner:
    """An assignment listener that keeps what it was told, and may be slow to give up."""

    def __init__(self):
        self.owned, self.told = frozenset(), []
        self.may_leave = asyncio.Event()
        self.may_leave.set()

    async def revoked(self, partitions):
        self.told.append("revoked")
        await self.may_leave.wait()
        self.owned = frozenset()

    def assigned(self, partitions):
        self.told.append("assigned")
        self.owned = frozenset(partitions)


@pytest.fixture
def cluster():
    made = MemoryCluster()
    made.create("in", 1)
    made.create("out", 1)
    return made


def at(offset):
    return Committed(Position.restored(IN, offset), "")


def out(value):
    return Outgoing("out", b"k", value, ())


async def writer_of(cluster, transactional_id="t"):
    writer = cluster.log().writer(transactional_id, "g")
    await writer.open()
    return writer


async def test_a_lost_commit_that_was_applied_is_found_by_the_successor(cluster):
    """The commit raises, and everything of it is there."""
    cluster.lose_next_commit(applied=True)
    with pytest.raises(WriterLost):
        await (await writer_of(cluster)).commit([out(b"v")], at(1))
    await writer_of(cluster)
    assert await cluster.log().committed("g", IN) == at(1)
    assert [r.value for r in cluster.read("out")] == [b"v"]


async def test_a_lost_commit_that_was_not_applied_blocks_readers_until_fenced(cluster):
    """Its records hold back later ones of others, as the last stable offset does, until the successor aborts it."""
    cluster.lose_next_commit(applied=False)
    with pytest.raises(WriterLost):
        await (await writer_of(cluster)).commit([out(b"lost")], at(1))
    cluster.produce("out", b"k", b"other")
    assert cluster.read("out") == []
    await writer_of(cluster)
    assert [r.value for r in cluster.read("out")] == [b"other"]
    assert cluster.committed("g", IN) is None


async def test_a_writer_fenced_in_the_middle_publishes_nothing(cluster):
    """A successor that opens between the records and the end wins."""
    writer = await writer_of(cluster)
    _, outcome = await asyncio.gather(writer_of(cluster), writer.commit([out(b"v")], at(1)), return_exceptions=True)
    assert isinstance(outcome, WriterFenced)
    assert cluster.read("out") == []


async def test_after_an_error_a_writer_is_only_good_for_discard(cluster):
    """A second commit after a lost one is lost too, and changes nothing."""
    writer = await writer_of(cluster)
    cluster.lose_next_commit(applied=True)
    for _ in range(2):
        with pytest.raises(WriterLost):
            await writer.commit([out(b"v")], at(1))
    assert len(cluster.read("out")) == 1


async def test_a_late_end_commits_the_next_transaction_of_its_epoch(cluster):
    """It knows the epoch, not the transaction (KIP-890): whoever goes on with the same writer is torn in two."""
    cluster.lose_next_commit(applied=True, late_seconds=0.02)
    writer = await writer_of(cluster)
    with pytest.raises(WriterLost):
        await writer.commit([out(b"first")], at(1))
    cluster.lose_next_commit(applied=False)
    writer._epoch = 0  # the careless client
    with pytest.raises(WriterLost):
        await writer.commit([out(b"next")], at(2))
    assert [r.value for r in cluster.read("out")] == [b"first"]
    await until(lambda: len(cluster.read("out")) == 2)
    assert cluster.committed("g", IN) == at(2)


async def test_a_late_end_of_an_earlier_epoch_has_no_effect(cluster):
    """Opening again fences it."""
    cluster.lose_next_commit(applied=False, late_seconds=0)
    with pytest.raises(WriterLost):
        await (await writer_of(cluster)).commit([out(b"lost")], at(1))
    successor = await writer_of(cluster)
    await successor.commit([out(b"kept")], at(1))
    assert [r.value for r in cluster.read("out")] == [b"kept"]


async def test_an_offset_is_pending_until_the_group_takes_it_over():
    """A successor can be open before that; only a reader who waits for stable offsets learns the truth."""
    cluster = MemoryCluster(delays=Delays(markers=lambda: 0.01, offsets=lambda: 0.05))
    cluster.create("in", 1)
    cluster.create("out", 1)
    await (await writer_of(cluster)).commit([out(b"v")], at(1))
    assert cluster.read("out") == [], "decided, but its marker is not written yet"
    await writer_of(cluster)
    assert len(cluster.read("out")) == 1
    assert cluster.committed("g", IN) is None
    assert cluster.transactions.pending("g", IN)
    assert await cluster.log().committed("g", IN) == at(1)


async def test_a_transaction_nobody_ends_is_aborted_and_its_writer_fenced():
    """As the coordinator does after transaction.timeout.ms."""
    cluster = MemoryCluster(delays=Delays(request=lambda: 0.05, transaction_seconds=0.07))
    cluster.create("in", 1)
    cluster.create("out", 1)
    writer = await writer_of(cluster)
    with pytest.raises(WriterFenced):
        await writer.commit([out(b"v")], at(1))
    assert cluster.read("out") == []
    assert not cluster.transactions.pending("g", IN)


async def test_transaction_markers_take_offsets(cluster):
    """Offsets have gaps after each transaction, committed or aborted, as in Kafka."""
    writer = await writer_of(cluster)
    await writer.commit([out(b"a"), out(b"b")], at(1))
    await writer.commit([out(b"c")], at(2))
    assert [r.offset for r in cluster.read("out")] == [0, 1, 3]


async def test_a_cluster_that_is_down_refuses_and_answers_nothing(cluster):
    """Questions are unavailable, commits are lost, polls are empty; all is well when it is back."""
    log, owner = cluster.log(), Owner()
    writer, intake = await writer_of(cluster), log.intake("g")
    await intake.start(["in"], owner)
    intake.seek(Position.restored(IN, 0))
    cluster.produce("in", b"k", b"v")
    cluster.down = True
    for question in (
        log.committed("g", IN),
        log.earliest(IN),
        log.partitions("in"),
        log.cluster_id(),
        log.metadata_version(),
        log.writer("u", "g").open(),
    ):
        with pytest.raises(LogUnavailable):
            await question
    with pytest.raises(LogUnavailable):
        await log.intake("g").start(["in"], Owner())
    with pytest.raises(WriterLost):
        await writer.commit([out(b"v")], at(1))
    assert await intake.poll([IN], 10, 0.01) == []
    cluster.down = False
    assert [r.value for r in await intake.poll([IN], 10, 1)] == [b"v"]


async def test_an_expelled_member_is_a_zombie_until_it_rejoins(cluster):
    """It believes it owns what another was given; when it wakes, it gives up first."""
    cluster.create("in", 2)
    zombie, heir = Owner(), Owner()
    asleep, awake = cluster.log().intake("g"), cluster.log().intake("g")
    await asleep.start(["in"], zombie)
    cluster.expel(asleep)
    await awake.start(["in"], heir)
    assert zombie.owned == heir.owned == {Partition("in", 0), Partition("in", 1)}
    await asleep.rejoin()
    assert zombie.told == ["assigned", "revoked", "assigned"]
    assert len(zombie.owned) == len(heir.owned) == 1
    assert zombie.owned | heir.owned == {Partition("in", 0), Partition("in", 1)}


async def test_the_group_waits_for_whoever_gives_up_slowly(cluster):
    """Nobody is assigned anything before everybody has given up; meanwhile nothing is read."""
    cluster.create("in", 2)
    slow, new = Owner(), Owner()
    first, second = cluster.log().intake("g"), cluster.log().intake("g")
    await first.start(["in"], slow)
    slow.may_leave.clear()
    joining = asyncio.create_task(second.start(["in"], new))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert slow.told == ["assigned", "revoked"]
    assert await first.poll(list(slow.owned), 1, 0.001) == []
    assert new.told == []
    slow.may_leave.set()
    await joining
    assert len(slow.owned) == len(new.owned) == 1


async def test_reading_below_the_trimmed_start_begins_at_the_earliest(cluster):
    """A position that retention has passed reads on from the first record that is left."""
    for number in range(4):
        cluster.produce("in", b"k", b"%d" % number)
    cluster.trim(IN, 2)
    intake = cluster.log().intake("g")
    await intake.start(["in"], Owner())
    intake.seek(Position.restored(IN, 0))
    assert [r.value for r in await intake.poll([IN], 10, 1)] == [b"2", b"3"]


async def test_records_bear_the_given_time(cluster):
    """Writers stamp with the cluster's clock, which is an argument."""
    cluster.now_ms = lambda: 42
    await (await writer_of(cluster)).commit([out(b"v")], at(1))
    assert cluster.read("out")[0].timestamp_ms == 42


async def test_a_zombie_that_was_refused_publishes_no_more_until_it_joins_again(cluster):
    """Opened for a member the group has forgotten, a writer would publish what it cannot commit."""
    intake = cluster.log().intake("g")
    await intake.start(["in"], Owner())
    writer = intake.writer()
    await writer.open()
    cluster.expel(intake)
    with pytest.raises(WriterFenced):
        await writer.commit([], at(1))
    with pytest.raises(LogUnavailable):
        await writer.open()
    await intake.rejoin()
    await writer.open()
    await writer.commit([], at(1))
    assert cluster.committed("g", IN) == at(1)
