"""The ledger, driven by Hypothesis against a plain model of what a broker would hold."""

import random
from typing import ClassVar

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from topics.commit_map import WINDOW, decode, encode
from topics.ledger import Ledger, Order
from topics.record import Outgoing, Partition, Position, Record

PARTITION = Partition("in", 0)
LONGEST_MAP = 687  # characters: far below the 4,096 bytes that brokers take


def record(offset, key):
    return Record(PARTITION, offset, key, b"x", (), 0)


def event(offset):
    return [Outgoing("out", None, b"%d" % offset, ())]


class LedgerMachine(RuleBasedStateMachine):
    """Receive with gaps, settle in any order, take, commit, lose the answer, be fenced, crash, revoke: nothing skipped or doubled."""

    order: ClassVar[Order]

    @initialize(start=st.integers(0, 10_000), seed=st.integers(0, 2**32))
    def begin(self, start, seed):
        # The input log never changes: offsets with gaps, as compaction and transaction markers leave them.
        chance = random.Random(seed)
        gaps = chance.choices([1, 1, 1, 1, 1, 1, 2, 5, 3000, 5000], k=60)
        keys = chance.choices([None, b"a", b"b", b"c"], k=60)
        offsets = [start + sum(gaps[:i]) for i in range(60)]
        self.log = [record(o, k) for o, k in zip(offsets, keys, strict=True)]
        self.keys = {r.offset: r.key for r in self.log}
        self.broker_position, self.broker_metadata = start, ""
        self.published = []
        self.epoch = 0
        self.late = []
        self.restart()

    def restart(self):
        """Begin a new assignment from what is committed; what was received before is owed no more."""
        self.epoch += 1
        self.ledger = self.ledger_of_a_new_owner()
        self.cursor = self.cursor_of(self.broker_position)
        self.receipts = []
        self.burst = None
        self.watermark = self.ledger.watermark

    def ledger_of_a_new_owner(self):
        done = decode(self.broker_position, self.broker_metadata)
        assert isinstance(done, frozenset)
        return Ledger(Position.restored(PARTITION, self.broker_position), done, self.epoch, self.order)

    def cursor_of(self, offset):
        return next((i for i, r in enumerate(self.log) if r.offset >= offset), len(self.log))

    @precondition(lambda self: self.cursor < len(self.log) and self.ledger.room > 0)
    @rule(count=st.integers(1, 8))
    def receive(self, count):
        for _ in range(count):
            if self.cursor < len(self.log) and self.ledger.room > 0:
                receipt = self.ledger.receive(self.log[self.cursor])
                assert self.ledger.receive(self.log[self.cursor]) is None, "a record is received once"
                self.cursor += 1
                if receipt is not None:
                    self.receipts.append(receipt)

    @rule(part=st.floats(0, 1))
    def reach(self, part):
        """The log was read on, at most to the next record, without finding one: markers, aborted ones, gaps."""
        last = self.log[-1].offset + 10
        before = self.ledger.watermark
        following = self.log[self.cursor].offset if self.cursor < len(self.log) else last
        position = round(before + part * (following - before))
        owed = self.ledger.owed
        assert self.ledger.reach(Position.restored(PARTITION, position)) == (not owed and position > before)
        assert self.ledger.watermark == (before if owed else max(before, position))

    @precondition(lambda self: self.receipts)
    @rule(data=st.data(), count=st.integers(1, 5))
    def settle(self, data, count):
        for _ in range(min(count, len(self.receipts))):
            receipt = self.receipts.pop(data.draw(st.integers(0, len(self.receipts) - 1)))
            paid = self.ledger.settle(receipt, event(receipt.offset))
            assert paid or receipt.offset in self.published, "only what another owner published is not owed"
            assert not self.ledger.settle(receipt, event(receipt.offset)), "a debt is paid once"

    @precondition(lambda self: self.late)
    @rule()
    def settle_late(self):
        for receipt in self.late:
            assert not self.ledger.settle(receipt, event(0)), "a receipt of another assignment settles nothing"

    @precondition(lambda self: self.burst is None)
    @rule(most=st.integers(1, 10))
    def take(self, most):
        """Cut a burst; records may be received and settled until its transaction is answered."""
        dirty = self.ledger.dirty
        self.burst = self.ledger.take(most)
        assert dirty or self.burst is None
        if self.burst is not None:
            assert len(self.burst.settled) <= most

    def apply(self, burst):
        """Do at the broker what the transaction says."""
        for offset, events in burst.settled:
            assert events == event(offset)
            assert self.keys.keys() >= {offset}
            self.published.append(offset)
        assert burst.committed.position.offset >= self.broker_position, "a committed position never goes back"
        assert len(burst.committed.metadata) <= LONGEST_MAP
        self.broker_position = burst.committed.position.offset
        self.broker_metadata = burst.committed.metadata

    def read_back(self):
        done = decode(self.broker_position, self.broker_metadata)
        self.ledger.reconcile(Position.restored(PARTITION, self.broker_position), done)
        self.burst = None

    @precondition(lambda self: self.burst is not None)
    @rule()
    def commit(self):
        self.apply(self.burst)
        self.ledger.committed(self.burst)
        self.burst = None

    @precondition(lambda self: self.burst is not None)
    @rule(applied=st.booleans())
    def lose_the_answer(self, applied):
        if applied:
            self.apply(self.burst)
        self.read_back()

    @precondition(lambda self: self.burst is not None and self.burst.settled)
    @rule(data=st.data())
    def find_a_record_too_large(self, data):
        """Nothing of the burst was sent; the record gets other events, then what is committed is read back."""
        offset, _ = data.draw(st.sampled_from(self.burst.settled))
        self.ledger.amend(offset, event(offset))
        self.read_back()

    @rule(answered=st.lists(st.booleans(), min_size=2, max_size=12), applied=st.booleans())
    def be_fenced(self, answered, applied):
        """Another owner works from what is committed; then we find out, and go on with what is left."""
        if self.burst is not None and applied:
            self.apply(self.burst)
        other = self.ledger_of_a_new_owner()
        for read, answer in zip(self.log[self.cursor_of(self.broker_position) :], answered, strict=False):
            receipt = other.receive(read) if other.room else None
            if receipt is not None and answer:
                other.settle(receipt, event(receipt.offset))
        if (burst := other.take(100)) is not None:
            self.apply(burst)
        self.read_back()
        self.cursor = max(self.cursor, self.cursor_of(self.broker_position))

    @rule()
    def crash(self):
        receipts = self.receipts
        self.restart()
        self.late = receipts

    @rule(applied=st.booleans())
    def be_revoked(self, applied):
        """One last commit, whose answer nobody waits for; then the partition comes back."""
        last = self.burst or self.ledger.take(100)
        if last is not None and applied:
            self.apply(last)
        self.crash()

    @invariant()
    def every_input_is_published_at_most_once(self):
        assert len(self.published) == len(set(self.published))

    @invariant()
    def what_the_broker_calls_done_is_what_was_published(self):
        done = decode(self.broker_position, self.broker_metadata)
        told = {r.offset for r in self.log if r.offset < self.broker_position or r.offset in done}
        assert told == set(self.published), "no unfinished offset is skipped, no finished one forgotten"

    @invariant()
    def the_map_round_trips(self):
        done = decode(self.broker_position, self.broker_metadata)
        assert decode(self.broker_position, encode(self.broker_position, done)) == done

    @invariant()
    def the_watermark_only_rises(self):
        assert self.ledger.watermark >= self.watermark
        self.watermark = self.ledger.watermark
        assert self.watermark >= self.broker_position or self.burst is not None

    @invariant()
    def size_is_bounded(self):
        assert self.ledger.owed <= WINDOW
        assert len(self.ledger._done) <= WINDOW
        assert len(self.ledger._lines) <= 2 * self.ledger.owed + 65

    @invariant()
    def order_is_kept(self):
        if self.order is Order.PARTITION:
            assert self.published == sorted(self.published)
        if self.order is Order.KEY:
            for key in (b"a", b"b", b"c"):
                mine = [o for o in self.published if self.keys[o] == key]
                assert mine == sorted(mine)

    @invariant()
    def nobody_waits_without_need(self):
        """What is settled and waits for nobody of its line goes into the next burst, if the map's window has room for it."""
        ledger = self.ledger
        unpaid = {receipt.offset for receipt in self.receipts} & ledger._owed.keys()
        for offset in ledger._owed.keys() - unpaid:
            earlier = [o for o in unpaid if o < offset and self.same_line(o, offset)]
            assert (offset in ledger._released) == (not earlier)

    def same_line(self, one, other):
        if self.order is Order.KEY:
            return self.keys[one] is not None and self.keys[one] == self.keys[other]
        return self.order is Order.PARTITION

    def teardown(self):
        """Whatever happened before, the rest can be finished."""
        if not hasattr(self, "ledger"):
            return
        if self.burst is not None:
            self.lose_the_answer(applied=True)
        for _ in range(10_000):
            while self.receipts:
                receipt = self.receipts.pop()
                self.ledger.settle(receipt, event(receipt.offset))
            while (burst := self.ledger.take(1000)) is not None:
                self.apply(burst)
                self.ledger.committed(burst)
            if self.cursor == len(self.log):
                break
            assert self.ledger.room > 0, "an idle ledger has room"
            self.receive(8)
        assert set(self.published) == {r.offset for r in self.log}
        end = Position.restored(PARTITION, self.log[-1].offset + 10)
        self.ledger.reach(end)
        if (last := self.ledger.take(1)) is not None:
            self.apply(last)
        assert self.broker_position == end.offset
        assert self.ledger.owed == 0


class InKeyOrder(LedgerMachine):
    order = Order.KEY


class InPartitionOrder(LedgerMachine):
    order = Order.PARTITION


class InAnyOrder(LedgerMachine):
    order = Order.NONE


def cases(machine):
    """Return the machine's test case."""
    machine.TestCase.settings = settings(max_examples=150, stateful_step_count=50)
    return machine.TestCase


TestKeyOrder = cases(InKeyOrder)
TestPartitionOrder = cases(InPartitionOrder)
TestAnyOrder = cases(InAnyOrder)
