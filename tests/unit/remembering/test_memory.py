"""What a worker holds of a context topic: bounded, of its own partitions, the newest value."""

from hypothesis import given
from hypothesis import strategies as st

from workers.remembering.memory import Memory
from workers.remembering.wire import MARKER

puts = st.lists(st.tuples(st.integers(0, 2), st.sampled_from([b"a", b"b", b"c", b"d"]), st.none() | st.binary(max_size=400)))


@given(puts, st.integers(200, 3_000))
def test_the_newest_value_is_held_within_the_bound(said, most):
    """Never more bytes than allowed; what is held is what was put last; what was put last of all is held if it fits."""
    memory, newest = Memory(most), {}
    for partition, key, value in said:
        memory.put(partition, key, value)
        newest[partition, key] = value
        assert memory.bytes <= most
    for (partition, key), value in newest.items():
        assert memory.get(partition, key) in (None, value)
    if said and said[-1][2] is not None and len(said[-1][2]) + 201 <= most:
        assert memory.get(*said[-1][:2]) == said[-1][2]


@given(puts)
def test_a_partition_that_is_let_go_leaves_nothing(said):
    """Neither its values nor their bytes."""
    memory = Memory(10**9)
    for partition, key, value in said:
        memory.put(partition, key, value)
    for partition in range(3):
        memory.drop(partition)
    assert (len(memory), memory.bytes) == (0, 0)


def test_a_marker_is_no_conversation():
    """Nor is a record without a key."""
    memory = Memory(1_000)
    memory.put(0, MARKER + b"1", b"{}")
    memory.put(0, None, b"{}")
    assert len(memory) == 0
