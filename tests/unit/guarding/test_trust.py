"""How many messages are trusted to share a call."""

import pytest

from workers.guarding.trust import Trust


def feed(trust, scores, items=None, per_score=200):
    """Let comparisons come, so many messages each."""
    for score in scores:
        trust.answered(per_score)
        trust.compared(items or trust.items, score)


def test_it_begins_at_the_most_and_stays_there_without_flips():
    """Nothing is slower because it is looked at."""
    trust = Trust(16, 0.005, 0.02)
    feed(trust, [0] * 3_000)
    assert trust.items == 16
    (known,) = trust.known()
    assert (known.items, known.rate) == (16, 0.0)
    assert known.bound < 0.002


def test_flips_make_calls_smaller_one_size_at_a_time():
    """Of sixteen comparisons one in four flips: the next size is eight, and what was known of sixteen is forgotten."""
    trust = Trust(16, 0.005, 0.02)
    feed(trust, [1, 0, 0, 0] * 16, items=16)
    assert trust.items == 8
    assert trust.known() == ()


@pytest.mark.parametrize(("most", "sizes"), [(16, [16, 8, 4, 2, 1]), (24, [24, 16, 8, 4, 2, 1]), (3, [3, 2, 1]), (1, [1])])
def test_a_model_that_always_flips_is_asked_about_one_at_a_time(most, sizes):
    """Sizes are halved down to one, where nothing can flip."""
    trust, seen = Trust(most, 0.005, 0.02), [most]
    for _ in range(100):
        trust.compared(trust.items, 1)
        if trust.items != seen[-1]:
            seen.append(trust.items)
    assert seen == sizes


def test_small_calls_are_no_evidence_for_large_ones():
    """At low load calls are small: their flips say nothing of the size that is trusted, and their want of flips neither."""
    trust = Trust(16, 0.005, 0.02)
    feed(trust, [0] * 2_000, items=2)
    assert [known.items for known in trust.known()] == [2]
    feed(trust, [1, 0, 0, 0] * 16, items=3)
    assert trust.items == 2


def test_calls_get_larger_again_when_the_size_in_use_is_shown_to_be_good():
    """Not before the rest is over, and one size at a time."""
    trust = Trust(4, 0.005, 0.02)
    feed(trust, [1] * 20, items=4)
    assert trust.items == 2
    feed(trust, [0] * 400)
    assert trust.items == 2  # the rest
    feed(trust, [0] * 250)
    assert trust.items == 4


def test_time_alone_makes_calls_no_larger():
    """A size in use that nothing is known of gives no reason to go on to the next."""
    trust = Trust(4, 0.005, 0.02)
    feed(trust, [1] * 20, items=4)
    trust.answered(10_000_000)
    assert trust.items == 2


def test_what_would_flip_too_much_at_the_next_size_is_not_tried_again():
    """One flip in a hundred between two makes three in a hundred among four: above the target of two."""
    trust = Trust(4, 0.005, 0.02)
    feed(trust, [1] * 20, items=4)
    feed(trust, ([0] * 99 + [1]) * 40)
    assert trust.items == 2


def test_from_one_a_call_there_is_a_way_back():
    """Alone nothing can be compared, so the rest alone decides."""
    trust = Trust(2, 0.005, 0.02)
    feed(trust, [1] * 20, items=2)
    assert trust.items == 1
    trust.answered(100_000)
    assert trust.items == 2


def test_each_failure_doubles_the_rest():
    """A size that is bad is in use ever more rarely."""
    trust, rests = Trust(2, 0.01, 0.02), []
    for _ in range(4):
        while trust.items == 2:
            trust.compared(2, 1)
        rests.append(0)
        while trust.items == 1:
            trust.answered(1_000)
            rests[-1] += 1_000
    assert rests == [50_000, 100_000, 200_000, 400_000]
