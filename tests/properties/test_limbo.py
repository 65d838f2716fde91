"""Limbo: an answer under way when its partition is lost settles the record when it comes back, once, or nobody."""

import hypothesis.strategies as st
from hypothesis import given

from topics.limbo import Limbo
from topics.record import Outgoing, Partition, Receipt

PARTITION = Partition("in", 0)
EVENTS = [Outgoing("out", None, b"x", ())]


def receipt(epoch, offset=7):
    return Receipt(PARTITION, offset, epoch)


@given(st.booleans(), st.integers(0, 3))
def test_an_answer_settles_the_record_that_came_back(answer_first, losses):
    """Whether it arrives before or after the record is received again, and through several losses in between."""
    limbo = Limbo()
    limbo.handed(receipt(1), crc=5)
    limbo.revoked(PARTITION, now=0.0)
    for _ in range(losses):
        assert limbo.adopt(receipt(2), crc=5) == (True, None)
        limbo.revoked(PARTITION, now=1.0)
    if answer_first:
        assert limbo.answered(receipt(1), EVENTS) is None
        assert limbo.adopt(receipt(3), crc=5) == (True, EVENTS)
    else:
        assert limbo.adopt(receipt(3), crc=5) == (True, None)
        assert not limbo.forsake(receipt(1))
        assert limbo.answered(receipt(1), EVENTS) == receipt(3)
    assert limbo.answered(receipt(1), EVENTS) is None, "an answer settles once"
    assert limbo.adopt(receipt(4), crc=5) == (False, None)
    assert len(limbo) == 0


def test_another_record_at_the_same_place_is_not_taken_for_it():
    """A topic made anew has other records at old offsets: the CRC tells."""
    limbo = Limbo()
    limbo.handed(receipt(1), crc=5)
    limbo.revoked(PARTITION, now=0.0)
    assert limbo.adopt(receipt(2), crc=6) == (False, None)
    assert limbo.answered(receipt(1), EVENTS) is None


def test_what_is_settled_or_forsaken_is_not_awaited():
    """Only answers still under way are kept."""
    limbo = Limbo()
    limbo.handed(receipt(1, 1), crc=5)
    limbo.handed(receipt(1, 2), crc=5)
    limbo.settled(receipt(1, 1))
    limbo.revoked(PARTITION, now=0.0)
    assert limbo.forsake(receipt(1, 2))
    assert limbo.adopt(receipt(2, 1), crc=5) == (False, None)
    assert limbo.adopt(receipt(2, 2), crc=5) == (False, None)


def test_limbo_does_not_grow():
    """Answers nobody comes back for expire."""
    limbo = Limbo(keep_seconds=10)
    for offset in range(100):
        limbo.handed(receipt(1, offset), crc=5)
    limbo.revoked(PARTITION, now=0.0)
    assert len(limbo) == 100
    limbo.revoked(PARTITION, now=11.0)
    assert len(limbo) == 0
