"""The commit map round-trips, fits, and reads anything without raising."""

import hypothesis.strategies as st
import pytest
from hypothesis import given

from topics.commit_map import WINDOW, UnknownMap, decode, encode

OFFSETS = st.integers(0, 2**62)


@given(OFFSETS, st.sets(st.integers(0, WINDOW - 1)))
def test_what_is_encoded_is_decoded(offset, distances):
    """Every set of offsets in the window comes back, in at most 687 characters."""
    done = {offset + d for d in distances}
    metadata = encode(offset, done)
    assert decode(offset, metadata) == done
    assert len(metadata) <= 687


@given(OFFSETS, st.one_of(st.integers(max_value=-1), st.integers(min_value=WINDOW)))
def test_outside_the_window_is_refused(offset, distance):
    """An offset that the map cannot hold is an error, not a lost bit."""
    with pytest.raises(ValueError):
        encode(offset, [offset + distance])


@given(OFFSETS, st.text())
def test_any_metadata_is_read_or_unknown(offset, metadata):
    """Decoding is total: a set of offsets at or above the commit, or a reason."""
    done = decode(offset, metadata)
    assert isinstance(done, UnknownMap) or all(offset <= o < offset + WINDOW for o in done)


@pytest.mark.parametrize("metadata", ["v2:AA==", "v1:***", "hello", "v1:" + "A" * 1000, "v1:é"])
def test_foreign_metadata_is_unknown(metadata):
    """What is not ours is never taken for an empty map: that would publish twice."""
    assert isinstance(decode(5, metadata), UnknownMap)


def test_no_metadata_is_an_empty_map():
    """A commit by another tool says that nothing above it is done."""
    assert decode(5, "") == frozenset()
