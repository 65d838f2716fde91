"""The ledger, driven by Hypothesis against a plain model of what a broker would hold."""

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from topics.commit_map import WINDOW, decode
from topics.ledger import Ledger, Order
from topics.record import Outgoing, Partition, Position, Record

PARTITION = Partition("in", 0)


def record(offset, key):
    return Record(PARTITION, offset, key, b"x", (), 0)


def event(offset):
    return [Outgoing("out", None, b"%d" % offset, ())]


class LedgerMachine(RuleBasedStateMachine):
    """Receive with gaps, settle in any order, commit, lose a commit's answer, crash, revoke: nothing is skipped or doubled."""

    @initialize(order=st.sampled_from(list(Order)), start=st.integers(0, 10_000), data=st.data())
    def begin(self, order, start, data):
        self.order = order
        # The input log never changes: offsets with gaps, as compaction and transaction markers leave them.
        gaps = data.draw(st.lists(st.sampled_from([1, 1, 1, 1, 2, 5, 3000, 5000]), min_size=60, max_size=60))
        keys = data.draw(st.lists(st.sampled_from([None, b"a", b"b", b"c"]), min_size=60, max_size=60))
        offsets = [start + sum(gaps[:i]) for i in range(60)]
        self.log = [record(o, k) for o, k in zip(offsets, keys, strict=True)]
        self.keys = {r.offset: r.key for r in self.log}
        self.broker_position, self.broker_metadata = start, ""
        self.published = []
        self.epoch = 0
        self.restart()

    def restart(self):
        done = decode(self.broker_position, self.broker_metadata)
        assert isinstance(done, frozenset)
        self.epoch += 1
        self.ledger = Ledger(Position.restored(PARTITION, self.broker_position), done, self.epoch, self.order)
        self.cursor = next((i for i, r in enumerate(self.log) if r.offset >= self.broker_position), len(self.log))
        self.receipts = []
        self.late = []

    @precondition(lambda self: self.cursor < len(self.log) and self.ledger.room > 0)
    @rule(count=st.integers(1, 8))
    def receive(self, count):
        self._receive(count)

    def _receive(self, count):
        for _ in range(count):
            if self.cursor < len(self.log) and self.ledger.room > 0:
                receipt = self.ledger.receive(self.log[self.cursor])
                assert self.ledger.receive(self.log[self.cursor]) is None, "a record is received once"
                self.cursor += 1
                if receipt is not None:
                    self.receipts.append(receipt)

    @precondition(lambda self: self.receipts)
    @rule(data=st.data(), count=st.integers(1, 5))
    def settle(self, data, count):
        for _ in range(min(count, len(self.receipts))):
            receipt = self.receipts.pop(data.draw(st.integers(0, len(self.receipts) - 1)))
            assert self.ledger.settle(receipt, event(receipt.offset))
            assert not self.ledger.settle(receipt, event(receipt.offset)), "a debt is paid once"

    @precondition(lambda self: self.late)
    @rule()
    def settle_late(self):
        for receipt in self.late:
            assert not self.ledger.settle(receipt, event(0)), "a receipt of another assignment settles nothing"

    def apply(self, burst):
        for offset, events in burst.settled:
            assert events == event(offset)
            self.published.append(offset)
        assert burst.committed.position.offset >= self.broker_position, "a committed position never goes back"
        assert len(burst.committed.metadata) <= 687
        self.broker_position = burst.committed.position.offset
        self.broker_metadata = burst.committed.metadata

    @rule(most=st.integers(1, 10))
    def commit(self, most):
        burst = self.ledger.take(most)
        if burst is not None:
            self.apply(burst)
            self.ledger.committed(burst)

    @rule(most=st.integers(1, 10), applied=st.booleans())
    def commit_in_doubt(self, most, applied):
        burst = self.ledger.take(most)
        if burst is not None:
            if applied:
                self.apply(burst)
            done = decode(self.broker_position, self.broker_metadata)
            self.ledger.reconcile(Position.restored(PARTITION, self.broker_position), done)

    @rule()
    def crash(self):
        receipts = self.receipts
        self.restart()
        self.late = receipts

    @invariant()
    def every_input_is_published_at_most_once(self):
        assert len(self.published) == len(set(self.published))

    @invariant()
    def what_the_broker_calls_done_is_what_was_published(self):
        done = decode(self.broker_position, self.broker_metadata)
        told = {r.offset for r in self.log if r.offset < self.broker_position or r.offset in done}
        assert told == set(self.published), "no unfinished offset is skipped, no finished one forgotten"

    @invariant()
    def order_is_kept(self):
        if self.order is Order.PARTITION:
            assert self.published == sorted(self.published)
        if self.order is Order.KEY:
            for key in (b"a", b"b", b"c"):
                mine = [o for o in self.published if self.keys[o] == key]
                assert mine == sorted(mine)

    def teardown(self):
        """Whatever happened before, the rest can be finished."""
        if not hasattr(self, "ledger"):
            return
        for _ in range(10_000):
            while self.receipts:
                receipt = self.receipts.pop()
                assert self.ledger.settle(receipt, event(receipt.offset))
            while (burst := self.ledger.take(1000)) is not None:
                self.apply(burst)
                self.ledger.committed(burst)
            if self.cursor == len(self.log):
                break
            assert self.ledger.room > 0, "an idle ledger has room"
            self._receive(8)
        assert set(self.published) == {r.offset for r in self.log}
        assert self.ledger.owed == 0


TestLedger = LedgerMachine.TestCase
TestLedger.settings = settings(max_examples=250, stateful_step_count=50, deadline=None)
assert WINDOW == 4096
