"""A partition whose commit map cannot be read stands still until an operator resumes it, and then goes on by itself."""

import asyncio

import pytest

from tests.fakes.scripted_model import ScriptedModel
from tests.helpers import until
from tests.unit.test_pipeline import TASK, House, labels
from topics.record import Committed, Partition, Position
from workers.commands.lanes import _resume, _standings, partition_of
from workers.exits import UserError

PLACE = Partition("in", 0)


async def foreign_commit(cluster, metadata):
    writer = cluster.log().writer("somebody", "nanotriage")
    await writer.open()
    await writer.commit([], Committed(Position.restored(PLACE, 0), metadata))


async def test_a_quarantined_partition_resumes_when_told_and_not_before():
    """Unknown metadata: nothing is published, /ready says so; after `lanes resume` everything is labelled."""
    house = House(ScriptedModel(labels))
    await foreign_commit(house.cluster, "v9:?")
    for number in range(5):
        house.cluster.produce("in", b"k", b'{"body": "cancel %d"}' % (100 + number), partition=0)
    (standing,) = [s for s in await _standings(house.cluster.log(), "nanotriage", [TASK]) if s.unknown]
    assert standing.partition == "in/0"
    async with house.working():
        await until(lambda: any("quarantined" in reason for reason in house.readiness.reasons))
        assert house.outcomes() == {}
        assert await _resume(house.cluster.log(), "nanotriage", "nanotriage", PLACE) == 0
        await house.settled(5, 30)
        assert not any("quarantined" in reason for reason in house.readiness.reasons)
    assert [s.unknown for s in await _standings(house.cluster.log(), "nanotriage", [TASK])] == [None] * 3


async def test_only_a_quarantined_partition_is_resumed():
    """A readable map, no commit at all, or no such partition: one sentence, and nothing is written."""
    house = House(ScriptedModel(labels))
    with pytest.raises(UserError, match="nothing to resume"):
        await _resume(house.cluster.log(), "nanotriage", "nanotriage", PLACE)
    await foreign_commit(house.cluster, "v1:")
    with pytest.raises(UserError, match="not quarantined"):
        await _resume(house.cluster.log(), "nanotriage", "nanotriage", PLACE)
    with pytest.raises(UserError, match="does not exist"):
        await _resume(house.cluster.log(), "nanotriage", "nanotriage", Partition("in", 99))
    await asyncio.sleep(0)


@pytest.mark.parametrize("written", ["in", "in/", "/3", "in/x", "in/-1"])
def test_what_is_no_partition_is_refused(written):
    """The sentence shows the form."""
    with pytest.raises(UserError, match="TOPIC/NUMBER"):
        partition_of(written)
