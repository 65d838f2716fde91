"""A lane on the log in memory: the order of its steps, and what it does when each of them fails."""

import asyncio
import contextlib
from collections import Counter

import pytest

from tests.helpers import until
from topics.commit_map import encode
from topics.errors import LogRefused, RecordTooLarge
from topics.lane import Lane
from topics.lane_facts import CommitResult, Committing, LaneRules, LaneState, StateChange
from topics.ledger import Ledger, Order
from topics.memory import MemoryCluster
from topics.record import Committed, Outgoing, Partition, Position, Receipt

INPUT = Partition("in", 0)
GROUP = "g"
QUICK = {
    "commit_seconds": 0.001,
    "retry_seconds": 0.001,
    "fenced_seconds": 0.001,
    "refused_seconds": 0.001,
    "close_seconds": 5.0,
}


class RecordingLog:
    """A log that writes down what it is asked, in order, and fails where it is told; everything else is the log's below."""

    def __init__(self, log):
        self._log = log
        self.calls = []
        self.opens = 0
        self.open_errors = []
        self.hang = None  # an event: commits wait for it

    def writer(self, transactional_id, group):
        self.calls.append("writer")
        return RecordingWriter(self, self._log.writer(transactional_id, group))

    async def committed(self, group, partition):
        self.calls.append("committed")
        return await self._log.committed(group, partition)

    async def earliest(self, partition):
        self.calls.append("earliest")
        return await self._log.earliest(partition)


class RecordingWriter:
    def __init__(self, log, writer):
        self._log = log
        self._writer = writer
        self._discarded = False

    async def open(self):
        self._log.calls.append("open")
        self._log.opens += 1
        if self._log.open_errors:
            raise self._log.open_errors.pop(0)
        await self._writer.open()

    async def commit(self, outgoing, committed):
        assert not self._discarded, "a discarded writer is used again"
        self._log.calls.append(("commit", [event.value for event in outgoing], committed.position.offset))
        if self._log.hang is not None:
            await self._log.hang.wait()
        await self._writer.commit(outgoing, committed)

    def discard(self):
        self._discarded = True
        self._log.calls.append("discard")
        self._writer.discard()


def shrunk(event):
    return Outgoing(event.topic, event.key, b"small", event.headers)


class House:
    """One lane over one input partition, its seeks and its facts."""

    def __init__(self, *, max_record_bytes=10_000, clock=None, **rules):
        self.cluster = MemoryCluster(max_record_bytes=max_record_bytes)
        self.cluster.create("in", 1)
        self.cluster.create("out", 1)
        self.log = RecordingLog(self.cluster.log())
        self.rules = LaneRules(GROUP, "app", Order.NONE, rules.pop("shrink", shrunk), **(QUICK | rules))
        self.facts = []
        self.seeks = []
        clock = clock or asyncio.get_running_loop().time
        self.lane = Lane(self.log, INPUT, epoch=1, rules=self.rules, tell=self.facts.append, clock=clock)

    @contextlib.asynccontextmanager
    async def running(self):
        self.task = asyncio.ensure_future(self.lane.run(asyncio.Semaphore(1), self))
        try:
            yield self
        finally:
            await self.lane.close(self.task)
            assert self.task.done()

    def seek(self, position):
        self.log.calls.append("seek")
        self.seeks.append(position.offset)

    async def active(self):
        await until(lambda: self.lane.state is LaneState.ACTIVE)

    def receive(self, count):
        """Produce records and receive them; return their receipts."""
        records = [self.cluster.produce("in", b"k", b"v", partition=0) for _ in range(count)]
        return [receipt for r in records if (receipt := self.lane.ledger.receive(r)) is not None]

    def settle(self, receipts, value=None):
        return [self.lane.settle(r, [Outgoing("out", None, value or b"%d" % r.offset, ())]) for r in receipts]

    def published(self):
        return [record.value for record in self.cluster.read("out")]

    def committed(self):
        found = self.cluster.committed(GROUP, INPUT)
        return found.position.offset if found else None

    @property
    def states(self):
        return [fact.state for fact in self.facts if isinstance(fact, StateChange)]

    @property
    def results(self):
        return [fact.result for fact in self.facts if isinstance(fact, Committing)]

    @property
    def bursts(self):
        return [call[1] for call in self.log.calls if isinstance(call, tuple)]

    async def others_commit(self, offset, metadata, *, values=(), transactional_id=None):
        """Commit as another owner of the lane, which fences ours, or under another id, as an operator's tool."""
        writer = self.cluster.log().writer(transactional_id or self.rules.transactional_id(INPUT), GROUP)
        await writer.open()
        events = [Outgoing("out", None, value, ()) for value in values]
        await writer.commit(events, Committed(Position.restored(INPUT, offset), metadata))


async def test_it_fences_then_reads_then_seeks():
    """Only after `open` is a predecessor's last transaction decided; only after `committed` is the position known."""
    house = House()
    async with house.running():
        assert house.lane.room == 0
        assert not house.lane.settle(Receipt(INPUT, 0, 1), [])
        await house.active()
        assert house.log.calls == ["writer", "open", "committed", "earliest", "seek"]
        assert house.seeks == [0]
        assert house.lane.room > 0


async def test_it_goes_on_from_what_is_committed():
    """Below the position and in the map, nothing is owed again."""
    house = House()
    await house.others_commit(3, encode(3, [4, 6]))
    async with house.running():
        await house.active()
        assert house.seeks == [3]
        assert "earliest" not in house.log.calls
        assert [r.offset for r in house.receive(8)] == [3, 5, 7]


async def test_a_transaction_that_a_predecessor_left_open_is_settled_before_the_position_is_read():
    """Else its events could appear after ours, and its offset too."""
    house = House()
    house.cluster.lose_next_commit(applied=False)
    with contextlib.suppress(Exception):
        await house.others_commit(7, "", values=[b"undone"])
    assert house.cluster.transactions.pending(GROUP, INPUT)
    async with house.running():
        await house.active()
        assert house.seeks == [0]
        assert house.published() == []


async def test_it_tries_again_until_the_log_answers():
    """Each time with a new writer; the last one is let go of first."""
    house = House()
    house.cluster.down = True
    async with house.running():
        await until(lambda: house.log.opens >= 3)
        assert house.lane.room == 0
        assert house.states == []
        house.cluster.down = False
        await house.active()
        assert house.log.calls.count("writer") == house.log.calls.count("discard") + 1


async def test_a_refusal_is_said_once_and_tried_again():
    """An operator who grants the right need not restart the worker; the same sentence is not repeated until then."""
    house = House()
    house.log.open_errors = [LogRefused("no right to write")] * 3
    async with house.running():
        await house.active()
        assert house.log.opens == 4
    assert house.states == [LaneState.REFUSED, LaneState.ACTIVE, LaneState.CLOSED]
    assert house.facts[0].why == "no right to write"


@pytest.mark.parametrize("metadata", ["v2:AAAA", "somebody else's", "v1:%%%", "v1:" + "A" * 4_000])
async def test_a_map_it_cannot_read_quarantines_the_lane(metadata):
    """Guessing would publish twice: it reads, publishes and commits nothing, and says why without quoting."""
    house = House(refused_seconds=60.0)
    await house.others_commit(3, metadata)
    async with house.running():
        await until(lambda: house.states)
        assert house.states == [LaneState.QUARANTINED]
        assert "offset 3" in house.facts[0].why
        assert metadata[3:] not in house.facts[0].why
        assert house.lane.room == 0
        assert house.seeks == []
        assert not house.lane.settle(Receipt(INPUT, 3, 1), [])
        assert house.log.calls.count("writer") == house.log.calls.count("discard")
    assert house.committed() == 3


async def test_a_quarantined_lane_goes_on_when_an_operator_mended_the_map():
    """It looks again, and needs no restart."""
    house = House()
    await house.others_commit(3, "not ours")
    async with house.running():
        await until(lambda: LaneState.QUARANTINED in house.states)
        await house.others_commit(5, "", transactional_id="a tool")
        await house.active()
        assert house.seeks == [5]


async def test_it_commits_what_is_settled_with_its_position():
    """Events and position in one transaction; a record that is still owed holds the position, not the events."""
    house = House()
    async with house.running():
        await house.active()
        first, *others = house.receive(4)
        house.settle(others)
        await until(lambda: len(house.published()) == 3)
        assert house.committed() == 0
        house.settle([first])
        await until(lambda: house.committed() == 4)
        assert sorted(house.published()) == [b"0", b"1", b"2", b"3"]
        assert set(house.results) == {CommitResult.COMMITTED}


async def test_a_burst_is_cut_to_its_most_records():
    """Ten settled records are four transactions of at most three, lowest offsets first."""
    house = House(burst_records=3)
    async with house.running():
        await house.active()
        house.settle(house.receive(10))
        await until(lambda: house.committed() == 10)
        assert house.bursts == [[b"0", b"1", b"2"], [b"3", b"4", b"5"], [b"6", b"7", b"8"], [b"9"]]
        assert [fact.records for fact in house.facts if isinstance(fact, Committing)] == [3, 3, 3, 1]


@pytest.mark.parametrize("applied", [True, False])
async def test_a_commit_in_doubt_is_read_back_by_a_new_writer(applied):
    """The old one is never used again, and what was applied is not published twice."""
    house = House()
    async with house.running():
        await house.active()
        house.cluster.lose_next_commit(applied=applied)
        house.settle(house.receive(3))
        await until(lambda: house.committed() == 3 and house.lane.ledger.owed == 0)
        assert Counter(house.published()) == {b"0": 1, b"1": 1, b"2": 1}
        assert house.log.opens == 2
        start = house.log.calls.index("discard")
        assert house.log.calls[start : start + 4] == ["discard", "writer", "open", "committed"]
        assert house.states[:3] == [LaneState.ACTIVE, LaneState.REPLACING, LaneState.ACTIVE]
        house.settle(house.receive(1))
        await until(lambda: house.committed() == 4)


async def test_a_fenced_lane_takes_over_what_the_other_owner_did():
    """It publishes only what the other did not, and says that somebody took over."""
    house = House()
    async with house.running():
        await house.active()
        receipts = house.receive(4)
        await house.others_commit(2, encode(2, [3]), values=[b"0", b"1", b"3"])
        house.settle(receipts)
        await until(lambda: house.committed() == 4)
        assert Counter(house.published()) == {b"0": 1, b"1": 1, b"2": 1, b"3": 1}
        assert house.results[0] is CommitResult.FENCED
        why = next(f.why for f in house.facts if isinstance(f, StateChange) and f.state is LaneState.REPLACING)
        assert "took this lane over" in why


async def test_a_map_that_another_owner_broke_quarantines_a_lane_in_the_middle():
    """It publishes nothing more until an operator mended the map, and then what was not published."""
    house = House()
    async with house.running():
        await house.active()
        receipts = house.receive(3)
        await house.others_commit(1, "not ours")
        house.settle(receipts[:2])
        await until(lambda: house.states[-1] is LaneState.QUARANTINED)
        assert house.published() == []
        assert house.lane.room == 0
        await house.others_commit(1, "", transactional_id="a tool")
        await house.active()
        house.settle(receipts[2:])
        await until(lambda: house.committed() == 3)
        assert house.published() == [b"1", b"2"]


async def test_an_outage_while_replacing_is_waited_for():
    """Nothing is lost, and nothing is published before the map was read."""
    house = House()
    async with house.running():
        await house.active()
        receipts = house.receive(2)
        house.cluster.down = True
        house.settle(receipts)
        await until(lambda: house.log.opens >= 4)
        assert house.lane.state is LaneState.REPLACING
        assert house.lane.room == 0
        house.cluster.down = False
        await until(lambda: house.committed() == 2)
        assert house.published() == [b"0", b"1"]


async def test_only_the_event_that_is_too_large_is_shrunk():
    """Found by its place in the burst, over records with several events; its neighbours go as they are."""
    shrunk_events = []

    def shrink(event):
        shrunk_events.append(event.value[:4])
        return shrunk(event)

    house = House(max_record_bytes=1_000, shrink=shrink)
    async with house.running():
        await house.active()
        one, two, three = house.receive(3)
        house.lane.settle(one, [Outgoing("out", None, b"1a", ()), Outgoing("out", None, b"1b", ())])
        house.lane.settle(two, [Outgoing("out", None, b"2a", ()), Outgoing("out", None, b"2big" * 999, ())])
        house.lane.settle(three, [Outgoing("out", None, b"3big" * 999, ())])
        await until(lambda: house.committed() == 3)
        assert house.published() == [b"1a", b"1b", b"2a", b"small", b"small"]
        assert shrunk_events == [b"2big", b"3big"]
        assert house.results == [CommitResult.REPLACED, CommitResult.REPLACED, CommitResult.COMMITTED]


async def test_closing_publishes_what_is_settled_and_drops_the_rest():
    """Another owner asks again about what was still under way."""
    house = House(commit_seconds=60.0)
    async with house.running():
        await house.active()
        first = house.receive(1)
        house.settle(first)
        await until(lambda: house.committed() == 1)
        late, owed = house.receive(2)
        house.settle([late])
    assert house.published() == [b"0", b"1"]
    assert house.committed() == 2
    assert house.lane.state is LaneState.CLOSED
    assert house.log.calls[-1] == "discard"
    assert owed.offset == 2


async def test_a_writer_that_hangs_does_not_hold_the_close():
    """A rebalance waits for it: the bound is the lane's, whatever the broker does."""
    house = House(close_seconds=0.05)
    loop = asyncio.get_running_loop()
    async with house.running():
        await house.active()
        house.log.hang = asyncio.Event()
        house.settle(house.receive(2))
        await until(lambda: house.bursts)
        started = loop.time()
    assert loop.time() - started < 2.0
    assert house.lane.state is LaneState.CLOSED
    assert house.log.calls[-1] == "discard"
    assert house.published() == []


async def test_a_lane_that_cannot_activate_closes_at_once():
    """A worker that never reached its broker can still be stopped."""
    house = House(retry_seconds=60.0)
    house.cluster.down = True
    started = asyncio.get_running_loop().time()
    async with house.running():
        await until(lambda: house.log.opens == 1)
    assert asyncio.get_running_loop().time() - started < 2.0
    assert house.lane.state is LaneState.CLOSED


async def test_receipts_of_another_assignment_settle_nothing():
    """A late answer cannot move a partition that was taken away and given back."""
    house = House()
    async with house.running():
        await house.active()
        (receipt,) = house.receive(1)
        assert not house.lane.settle(Receipt(INPUT, receipt.offset, 0), [Outgoing("out", None, b"late", ())])
        assert house.settle([receipt, receipt]) == [True, False]
        await until(lambda: house.committed() == 1)
        assert house.published() == [b"0"]


async def test_a_draining_lane_has_no_room_and_still_publishes():
    """What was received before the stop is settled after it."""
    house = House()
    async with house.running():
        await house.active()
        receipts = house.receive(2)
        house.lane.stop_receiving()
        assert house.lane.room == 0
        house.settle(receipts)
        await until(lambda: house.committed() == 2)


class Turned(Exception):  # the clock's way to stop a loop that never yields
    """The lane looked at the clock absurdly often."""


async def test_a_settled_record_beyond_the_window_does_not_stop_the_world():
    """A gap (compaction) may put it there: the lane waits for the lower one, and everybody else goes on."""
    house = None
    turns = 0

    def clock():
        nonlocal turns
        turns += house is not None and house.lane.ledger is not None
        if turns > 5_000:
            raise Turned
        return asyncio.get_running_loop().time()

    house = House(clock=clock)
    task = asyncio.ensure_future(house.lane.run(asyncio.Semaphore(1), house))
    await house.active()
    (low,) = house.receive(1)
    for _ in range(5_000):
        house.cluster.produce("in", b"k", b"v", partition=0)
    (far,) = house.receive(1)
    house.settle([far])
    for _ in range(20):
        await asyncio.sleep(0)
    if task.done():
        await task
    house.settle([low])
    await until(lambda: house.committed() == far.offset + 1)
    await house.lane.close(task)


def test_records_that_another_owner_did_are_no_sign_of_a_log_made_anew():
    """The lane's place in the log is below what is done by then; what comes there is passed by."""
    cluster = MemoryCluster()
    cluster.create("in", 1)
    records = [cluster.produce("in", b"k", b"v", partition=0) for _ in range(6)]
    ledger = Ledger(Position.restored(INPUT, 0), frozenset(), 1, Order.NONE)
    assert ledger.receive(records[0]) is not None
    ledger.reconcile(Position.restored(INPUT, 5), frozenset())
    assert [ledger.rewound(record) for record in records[1:]] == [None] * 5
    assert [ledger.receive(record) is None for record in records[1:]] == [True] * 4 + [False]
    assert "up to offset 6 and goes on at 3" in ledger.rewound(records[3])


def test_transactional_ids_are_one_per_input_partition():
    """Fencing hangs on the id alone, so no two lanes share one."""
    rules = LaneRules(GROUP, "app", Order.NONE, shrunk)
    ids = {rules.transactional_id(Partition(t, n)) for t in ("a", "a.1") for n in (0, 1, 11)}
    assert len(ids) == 6
    assert rules.transactional_id(INPUT) == "app.g.in.0"


async def test_a_record_too_large_error_that_names_no_event_of_the_burst_changes_nothing():
    """An index beyond the burst shrinks nobody."""
    house = House()
    async with house.running():
        await house.active()
        house.log.open_errors = []
        receipts = house.receive(1)
        original = house.lane._writer.commit

        async def refuse_once(outgoing, committed):
            house.lane._writer.commit = original
            raise RecordTooLarge(99, 1)

        house.lane._writer.commit = refuse_once
        house.settle(receipts)
        await until(lambda: house.committed() == 1)
        assert house.published() == [b"0"]


@pytest.mark.parametrize(("size", "published"), [(10, [b"0", b"s" * 10]), (20_000, [b"0"])])
async def test_a_commit_is_summed_up_unless_the_summary_is_refused(size, published):
    """In the same transaction as its events; a record that its topic refuses is left out and stops nothing."""
    said = []

    def summarise(partition, notes):
        said.append((partition, notes))
        return (Outgoing("out", None, b"s" * size, ()),)

    house = House(summarise=summarise)
    async with house.running():
        await house.active()
        (receipt,) = house.receive(1)
        house.lane.settle(receipt, [Outgoing("out", b"k", b"0", (), note="seen")])
        await until(lambda: house.committed() == 1)
    assert house.published() == published
    assert said == [(INPUT, ["seen"])]


def position(offset):
    return Position.restored(INPUT, offset)


async def test_an_idle_lane_commits_how_far_it_was_read():
    """Nothing is published with it, and what is committed already costs no commit."""
    house = House(idle_seconds=0.0)
    async with house.running():
        await house.active()
        house.settle(house.receive(2))
        await until(lambda: house.committed() == 2)
        house.lane.reached(position(5))
        await until(lambda: house.committed() == 5)
        assert house.published() == [b"0", b"1"]
        house.lane.reached(position(5))
        house.lane.reached(position(4))
        assert not house.lane.ledger.dirty
        assert len(house.results) == 2


async def test_what_is_owed_goes_before_how_far_was_read():
    """A record that is owed holds the position; once it is published, the next poll tells the rest."""
    house = House(idle_seconds=0.0)
    async with house.running():
        await house.active()
        receipts = house.receive(1)
        house.lane.reached(position(9))
        assert not house.lane.ledger.dirty
        house.settle(receipts)
        await until(lambda: house.committed() == 1)
        house.lane.reached(position(9))
        await until(lambda: house.committed() == 9)


async def test_how_far_was_read_is_committed_now_and_then_only():
    """A stream of markers costs one commit for each `idle_seconds`, and each says all that was read."""
    now = [1000.0]
    house = House(idle_seconds=5.0, clock=lambda: now[0])
    async with house.running():
        await house.active()
        for second in range(1, 21):
            house.lane.reached(position(second))
            await until(lambda: not house.lane.ledger.dirty)
            now[0] += 1.0
        assert [offset for _, _, offset in commits_of(house)] == [1, 6, 11, 16]


async def test_a_lost_commit_of_a_position_is_made_again():
    """The writer is replaced as after any doubt."""
    house = House(idle_seconds=0.0)
    async with house.running():
        await house.active()
        house.cluster.lose_next_commit(applied=False)
        house.lane.reached(position(3))
        await until(lambda: house.committed() == 3)
        assert house.results[0] is CommitResult.REPLACED


def commits_of(house):
    return [call for call in house.log.calls if isinstance(call, tuple)]
