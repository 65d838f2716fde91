"""The list of dead letters: some rows, all sums."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.verdict import Refusal
from tests.unit.deadletters.world import NOW_MS, TASK, MemoryReader, World, dead_outgoing, record_of, source_record
from topics.errors import LogRefused
from topics.record import Committed, Outgoing, Partition, Position
from workers.deadletters.listing import ROW_HEADS, SUM_HEADS, Listing, moment
from workers.deadletters.survey import fill, find
from workers.deadletters.where import parse_where
from workers.exits import UserError


def listing(*where, most=None, tasks=(TASK.name,)):
    return Listing(frozenset(tasks), parse_where(where), NOW_MS, most)


@given(st.lists(st.sampled_from(Refusal), max_size=30), st.none() | st.integers(0, 40))
def test_sums_count_all_and_rows_are_the_first(reasons, most):
    """However few are listed."""
    found = listing(most=most)
    found.see(record_of(dead_outgoing(source_record(), reason), offset) for offset, reason in enumerate(reasons))
    assert {key[2]: sums.letters for key, sums in found.sums.items()} == {r: reasons.count(r) for r in set(reasons)}
    assert [row.offset for row in found.rows] == list(range(len(reasons)))[:most]
    assert all(len(row.cells()) == len(ROW_HEADS) for row in found.rows)
    assert all(len(cells) == len(SUM_HEADS) for cells in found.sum_rows())


def test_only_what_is_selected_and_of_the_tasks_is_listed():
    """Records of others are counted apart."""
    letter = dead_outgoing(source_record(), Refusal.EMPTY)
    found = listing("reason=empty")
    found.see([record_of(letter), record_of(dead_outgoing(source_record())), record_of(Outgoing("dead", None, None, ()))])
    assert (found.letters, found.aliens) == (1, 1)
    others = listing(tasks=("another",))
    others.see([record_of(letter)])
    assert (others.letters, others.aliens) == (0, 1)


def test_times_are_utc_and_what_is_no_time_is_a_number():
    """A producer may claim any timestamp."""
    assert moment(0) == "1970-01-01T00:00:00Z"
    assert moment(2**62) == str(2**62)
    assert moment(None) == ""


async def test_every_partition_is_read_to_its_end():
    """And the progress ends where the reading does."""
    world, told = World(dead_partitions=3), []
    for number in range(20):
        world.die(f"m{number}", partition=number % 3)
    found = listing()
    await fill(world.cluster.log(), MemoryReader(world.cluster), ["dead"], found, lambda *progress: told.append(progress))
    assert found.letters == 20
    assert told[-1] == (20, 20)


async def test_one_record_is_found_and_every_other_place_is_a_sentence():
    """Beyond the end, in no partition, a marker, a topic that is not there."""
    world = World()
    wanted = world.die("m")
    writer = world.cluster.log().writer("t", "g")
    await writer.open()
    await writer.commit([dead_outgoing(source_record())], Committed(Position.restored(Partition("x", 0), 1), ""))
    log, reader = world.cluster.log(), MemoryReader(world.cluster)
    assert await find(log, reader, Partition("dead", 0), 0) == wanted
    for partition, offset, said in (
        (0, 3, "holds the offsets 0 to 2"),
        (1, 0, "partitions 0 to 0"),
        (0, 2, "mark of a transaction"),
    ):
        with pytest.raises(UserError, match=said):
            await find(log, reader, Partition("dead", partition), offset)
    with pytest.raises(LogRefused, match="does not exist"):
        await find(log, reader, Partition("nowhere", 0), 0)
