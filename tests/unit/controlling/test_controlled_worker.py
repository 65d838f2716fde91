"""Controls through the whole worker: read before the first message, followed, acknowledged, and nothing lost by a pause."""

import asyncio

import pytest

from schemas.control import ack_of
from tests.helpers import until
from tests.unit.controlling.house import TOPICS, ControlHouse, task_of
from topics.errors import LogRefused
from topics.record import Partition
from workers.exits import UserError

GROUP = "nanotriage"


def committed(house, topic="tickets.in"):
    """Return how many records of the topic are committed."""
    places = [house.cluster.committed(GROUP, Partition(topic, number)) for number in range(2)]
    return sum(place.position.offset for place in places if place is not None)


async def test_a_paused_task_is_not_read_and_goes_on_where_it_was():
    """What was read before is finished and committed; what comes meanwhile waits in its topic; each has one event at the end."""
    house = ControlHouse()
    async with house.working():
        house.send(20)
        await house.settled()
        _, came = await house.change("tickets", paused=True)
        assert (len(came.running), came.silent, came.refused) == (1, (), {})
        await until(lambda: committed(house) == 20)
        house.send(20)
        await asyncio.sleep(0.3)  # nothing may happen, which has no condition
        assert (house.done(), committed(house)) == (20, 20)
        await house.change("tickets", paused=False)
        await house.settled()
    assert sorted(int(event["message"]["id"]) for event in house.events()) == list(range(1, 41))


async def test_a_pause_is_known_before_the_first_message_is_read():
    """State is the topic's: a worker that starts under a pause asks its model about nothing, and one that starts after it works."""
    house = ControlHouse()
    house.send(5)
    control, came = await house.change("tickets", seconds=0.0, paused=True)
    assert (control.version, came.running) == (1, {})
    async with house.working():
        await until(lambda: _runs(house) == {("tickets", 1, True), ("*", 0, False)})
        await asyncio.sleep(0.2)  # the same
        assert house.done() == 0
    await house.change("tickets", seconds=0.0, paused=False)
    async with house.working():
        await house.settled()


async def test_only_the_task_that_is_meant_is_paused():
    """Another one of the same worker goes on; a pause of every task stops it too."""
    house = ControlHouse(task_of("tickets"), task_of("cards"))
    async with house.working():
        await house.change("tickets", paused=True)
        house.send(3, "cards")
        await house.settled()
        await house.change(paused=True)
        house.send(3, "cards")
        await house.change("tickets", paused=False)
        await asyncio.sleep(0.2)  # the same
        assert house.done() == 3
        await house.change(paused=False)
        await house.settled()


async def test_a_bad_record_leaves_what_is_run_and_is_told(caplog):
    """To the operator in the answer and once in the log; the next good one is run."""
    house = ControlHouse()
    async with house.working():
        await house.change("tickets", paused=True)
        house.cluster.produce(TOPICS.wanted, b"tickets", b"{}")
        await until(lambda: any(run.refused is not None for ack in _acks(house) for run in ack.runs.values()))
        house.cluster.produce(TOPICS.wanted, b"tickets", b"{}")
        assert _runs(house) == {("tickets", 1, True), ("*", 0, False)}
        control, came = await house.change("tickets", paused=False)
        assert (control.version, len(came.running)) == (2, 1)
    assert [record.getMessage() for record in caplog.records].count("control_refused") == 1


async def test_who_has_ended_is_waited_for_no_more():
    """A worker takes its word back when it stops."""
    house = ControlHouse()
    async with house.working():
        _, came = await house.change(paused=True)
        assert len(came.running) == 1
    _, came = await house.change(paused=False)
    assert (came.running, came.silent) == ({}, ())


async def test_of_two_operators_at_once_one_is_told_to_look_again():
    """Versions grow one by one in the order of the topic, and every change is in the topic that keeps them all."""
    house = ControlHouse()
    changes = [house.change("tickets", seconds=0.0, paused=bool(number % 2)) for number in range(6)]
    results = await asyncio.gather(*changes, return_exceptions=True)
    won = [result for result in results if not isinstance(result, UserError)]
    assert won
    assert all(isinstance(result, tuple) for result in won)
    for topic in (TOPICS.wanted, TOPICS.changes):
        versions = [_version(record.value) for record in house.cluster.read(topic)]
        assert versions == list(range(1, len(won) + 1))


async def test_controls_that_are_wished_for_need_their_topics():
    """The start is refused with what to do; without a wish nothing is read or published."""
    house = ControlHouse(**{"controls.topic": "elsewhere"})
    with pytest.raises(LogRefused, match="topic elsewhere does not exist: create it with `nanotriage topics apply`"):
        async with house.working():
            pass
    house = ControlHouse(**{"controls.topic": None})
    await house.change("tickets", seconds=0.0, paused=True)
    async with house.working():
        house.send(3)
        await house.settled()
    assert _acks(house) == []


def _version(value):
    return int(value.split(b'"version":')[1].split(b",")[0])


def _acks(house):
    """Return what every worker said last."""
    last = {record.key: ack_of(record.value) for record in house.cluster.read(TOPICS.acks)}
    return [ack for ack in last.values() if ack is not None]


def _runs(house):
    return {(task, run.version, run.paused) for ack in _acks(house) for task, run in ack.runs.items()}
