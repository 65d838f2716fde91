"""A straggler is named when it alone holds thousands up, and nobody else is blamed with it."""

import pytest

from topics.commit_map import WINDOW
from topics.ledger import Ledger, Order
from topics.record import Outgoing, Partition, Position, Record

PARTITION = Partition("in", 0)
EVENTS = [Outgoing("out", None, b"x", ())]
LATE = (3, 4_000, 4_010)


@pytest.fixture
def full():
    """A ledger whose window is full, with the receipts of what is unanswered; everything else is published."""
    ledger = Ledger(Position.restored(PARTITION, 0), frozenset(), 1, Order.NONE)
    receipts = [ledger.receive(Record(PARTITION, offset, None, b"x", (), 0)) for offset in range(WINDOW)]
    for receipt in receipts:
        if receipt.offset not in LATE:
            ledger.settle(receipt, EVENTS)
    publish(ledger)
    return ledger, {offset: receipts[offset] for offset in LATE}


def publish(ledger):
    while (burst := ledger.take(WINDOW)) is not None:
        ledger.committed(burst)


def test_only_the_lowest_is_named(full):
    """Between its verdict and the commit nobody is: the commit makes room, and the other late ones are in no one's way."""
    ledger, late = full
    assert ledger.straggler() == late[3]
    ledger.settle(late[3], EVENTS)
    assert ledger.room == 3, "nothing has moved yet"
    assert ledger.straggler() is None
    publish(ledger)
    assert ledger.room == 4_000
    assert ledger.straggler() is None


def test_nobody_is_named_when_many_are_unanswered():
    """Then it is the model that is slow."""
    ledger = Ledger(Position.restored(PARTITION, 0), frozenset(), 1, Order.NONE)
    receipts = [ledger.receive(Record(PARTITION, offset, None, b"x", (), 0)) for offset in range(WINDOW)]
    for receipt in receipts[WINDOW // 50 + 1 :]:
        ledger.settle(receipt, EVENTS)
    publish(ledger)
    assert ledger.straggler() is None
    ledger.settle(receipts[WINDOW // 50], EVENTS)
    publish(ledger)
    assert ledger.straggler() == receipts[0]
