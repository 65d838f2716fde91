"""What is done: the same as a set of offsets, and the same after a stay beside a committed offset."""

from itertools import pairwise

import hypothesis.strategies as st
import pytest
from hypothesis import given

from topics.commit_map import UnknownMap
from workers.deadletters.done import Done, Walk, restored

OFFSETS = st.integers(0, 300)
RUNS = st.lists(st.tuples(OFFSETS, st.integers(0, 30)).map(lambda pair: (pair[0], pair[0] + pair[1])), max_size=20)


def offsets_of(done: Done) -> set[int]:
    return {offset for start, end in done.runs for offset in range(start, end)}


@given(RUNS, RUNS)
def test_adding_runs_is_the_union_of_sets(first, second):
    """In any order, overlapping, touching, empty."""
    done = Done().plus(first).plus(second)
    meant = {offset for start, end in first + second for offset in range(start, end)}
    assert offsets_of(done) == meant
    assert {offset for offset in range(400) if offset in done} == meant
    assert done.among(range(400)) == meant
    assert done.position == next(n for n in range(400) if n not in meant)


@given(RUNS)
def test_what_is_committed_is_read_back(runs):
    """Position and metadata say exactly what was done."""
    done = Done().plus(runs)
    assert restored(done.position, done.metadata()) == done


@given(st.integers(0, 2**62), st.text(max_size=40) | st.text("ABCD+/=", max_size=40).map("dlq1:".__add__))
def test_any_metadata_is_understood_or_said_to_be_unknown(position, metadata):
    """Reading never raises, and never makes less of the position."""
    done = restored(position, metadata)
    assert isinstance(done, UnknownMap) or done.position >= position


def test_metadata_of_others_is_unknown_and_none_is_a_plain_offset():
    """A worker's commit map is not taken for a replay's."""
    assert restored(7, "") == Done(((0, 7),))
    assert restored(0, "") == Done()
    for metadata in ("v1:AQ==", "dlq1:!", "dlq1:gA==", "dlq1:AQ==", "dlq1:AAE="):
        assert isinstance(restored(7, metadata), UnknownMap)


def test_there_is_room_for_1400_runs_and_not_for_any_number():
    """What a broker would refuse is not offered to it."""
    many = Done(tuple((n, n + 1) for n in range(1, 2_800, 2)))
    assert len(many.metadata()) < 4_096
    assert Done(tuple((n, n + 1) for n in range(1, 20_000, 2))).metadata() is None


@pytest.mark.parametrize("runs", [((0, 0),), ((0, 2), (2, 3)), ((5, 6), (1, 2)), ((-1, 2),)])
def test_runs_that_are_none_cannot_be_made(runs):
    """Empty, touching, out of order, negative."""
    with pytest.raises(ValueError, match="runs must"):
        Done(runs)


@given(st.lists(st.tuples(st.integers(1, 5), st.booleans()), max_size=30), st.integers(0, 9), st.booleans())
def test_a_walk_says_of_each_letter_what_it_was_told(steps, tail, joined):
    """Gaps belong to a run only between two letters that are done, so runs are as many as stretches of letters."""
    walk, offset, told = Walk(10, joined=joined), 9, {}
    for distance, done in steps:
        offset += distance
        told[offset] = done
        walk.letter(offset, done=done)
    walk.end(offset + 1 + tail)
    done = Done().plus(walk.runs)
    assert {letter: letter in done for letter in told} == told
    answers = [joined, *told.values()]
    stretches = sum(now and not before for before, now in pairwise(answers))
    assert len(done.runs) <= stretches + joined
