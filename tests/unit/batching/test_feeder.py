"""The feeder wakes for arrivals, freed slots, lingers and the end, and for nothing else. Its clock is the test's."""

import asyncio
import contextlib
import math

import pytest

from workers.batching.feeder import Feeder
from workers.batching.slots import Slots
from workers.batching.window import ClosedBecause, Limits, Window


class Timeless(asyncio.SelectorEventLoop):
    """An event loop whose time jumps to the next timer when nothing else is to be done: no test waits in earnest."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 1000.0

    def time(self) -> float:
        return self._now

    def _run_once(self) -> None:
        if not self._ready and self._scheduled:
            self._now = max(self._now, self._scheduled[0]._when)
        super()._run_once()


def run(scenario):
    """Run an async function in virtual time; a wait for something that never comes is an error, not a hang."""
    loop = Timeless()
    try:
        return loop.run_until_complete(asyncio.wait_for(scenario(loop.time), 3600))
    finally:
        with contextlib.suppress(Exception):
            loop.close()


def feeder_of(clock, *, slots=1, max_items=4, linger=10.0, max_waiting=10, opens_in=lambda _load, _wake: 0.0):
    window = Window(Limits(max_items, 1_000, linger))
    slots = Slots(slots, {"task": 1.0})
    return Feeder("task", window, slots, max_waiting=max_waiting, clock=clock, opens_in=opens_in)


def crowd(feeder, count, start=0):
    for number in range(start, start + count):
        feeder.add(number, 1)


def test_a_full_batch_goes_at_once():
    """No timer is needed when the count is reached."""

    async def scenario(clock):
        feeder = feeder_of(clock)
        crowd(feeder, 5)
        batch = await feeder.next()
        assert (batch.items, batch.closed_because, clock()) == ((0, 1, 2, 3), ClosedBecause.COUNT, 1000.0)
        assert feeder.waiting == 1

    run(scenario)


def test_a_lone_message_goes_at_once():
    """At a quiet hour nobody waits for company that will not come."""

    async def scenario(clock):
        feeder = feeder_of(clock, max_items=16)
        feeder.add("a", 1)
        batch = await feeder.next()
        assert (batch.closed_because, clock()) == (ClosedBecause.FREE_SLOT, 1000.0)

    run(scenario)


def test_a_batch_that_was_expected_to_fill_goes_when_its_oldest_has_lingered():
    """Under a high rate it waits for more; when the rate breaks off, the linger ends the wait, not sooner and not later."""

    async def scenario(clock):
        feeder = feeder_of(clock, max_items=4, linger=0.2, slots=99, max_waiting=99)
        crowd(feeder, 43)
        for _ in range(10):
            await feeder.next()
        batch = await feeder.next()
        assert batch.items == (40, 41, 42)
        assert batch.closed_because is ClosedBecause.LINGER
        assert clock() == pytest.approx(1000.2)

    run(scenario)


def test_without_a_free_slot_nothing_goes_until_one_is_freed():
    """Calls under way bound the batches; the waiting batch grows meanwhile."""

    async def scenario(clock):
        feeder = feeder_of(clock, slots=1, max_items=8)
        feeder.add("a", 1)
        assert (await feeder.next()).items == ("a",)
        feeder.add("b", 1)
        waiting = asyncio.ensure_future(feeder.next())
        await asyncio.sleep(100)  # far beyond the linger
        assert not waiting.done()
        feeder.add("c", 1)
        feeder.slot_freed()
        assert (await waiting).items == ("b", "c")

    run(scenario)


def test_a_batch_grows_until_its_call_may_start():
    """The limits are asked with what it holds; what comes meanwhile goes with it, and it tells how long it was held."""

    async def scenario(clock):
        opens_at, asked = clock() + 5, []

        def opens_in(load, _wake):
            asked.append(tuple(load))
            return max(0.0, opens_at - clock())

        feeder = feeder_of(clock, max_items=4, linger=0.2, opens_in=opens_in)
        feeder.add("a", 7)
        waiting = asyncio.ensure_future(feeder.next())
        await asyncio.sleep(3)
        feeder.add("b", 5)
        batch = await waiting
        assert (batch.items, batch.closed_because, batch.held_seconds) == (("a", "b"), ClosedBecause.LINGER, pytest.approx(5))
        assert asked[0] == (1, 7)
        assert asked[-1] == (2, 12)

    run(scenario)


def test_a_batch_that_waits_for_the_end_of_a_call_looks_when_it_is_told():
    """And at no other time: nobody knows when that will be."""

    async def scenario(clock):
        wakes = []

        def opens_in(_load, wake):
            wakes.append(wake)
            return float("inf") if len(wakes) == 1 else 0.0

        feeder = feeder_of(clock, linger=0.1, opens_in=opens_in)
        feeder.add("a", 1)
        waiting = asyncio.ensure_future(feeder.next())
        await asyncio.sleep(1_000)
        assert not waiting.done()
        wakes[0]()
        assert (await waiting).held_seconds == pytest.approx(1_000)

    run(scenario)


def test_a_batch_that_may_not_start_holds_no_slot():
    """It has the next one when it may: a slot that is held by a batch that waits is one call less at once."""

    async def scenario(clock):
        opens_at = clock() + 2
        feeder = feeder_of(clock, slots=1, max_items=1, opens_in=lambda _load, _wake: max(0.0, opens_at - clock()))
        crowd(feeder, 2)
        waiting = asyncio.ensure_future(feeder.next())
        await asyncio.sleep(1)
        feeder.slot_taken_back()  # another call, that was faster
        await asyncio.sleep(5)
        assert not waiting.done()
        feeder.slot_freed()
        assert (await waiting).items == (0,)

    run(scenario)


def test_what_was_held_and_then_taken_away_is_not_counted_for_the_next_batch():
    """The limits held a message that a rebalance took; the one that comes an hour later goes at once, and was not held."""

    async def scenario(clock):
        opens = [math.inf]
        feeder = feeder_of(clock, opens_in=lambda _load, _wake: opens[0])
        feeder.add("lost", 1)
        waiting = asyncio.ensure_future(feeder.next())
        await asyncio.sleep(5)
        feeder.remove(lambda _: True)
        await asyncio.sleep(1_000)
        opens[0] = 0.0
        feeder.add("new", 1)
        assert (await waiting).held_seconds == 0.0

    run(scenario)


def test_no_more_batches_than_slots_are_out():
    """Whatever waits."""

    async def scenario(clock):
        feeder = feeder_of(clock, slots=3, max_items=1, max_waiting=99)
        crowd(feeder, 9)
        for _ in range(3):
            await feeder.next()
        fourth = asyncio.ensure_future(feeder.next())
        await asyncio.sleep(1)
        assert not fourth.done()
        feeder.slot_freed()
        assert (await fourth).items == (3,)

    run(scenario)


def test_an_arrival_wakes_a_feeder_that_waits_for_nothing():
    """An empty window has no timer."""

    async def scenario(clock):
        feeder = feeder_of(clock)
        waiting = asyncio.ensure_future(feeder.next())
        await asyncio.sleep(500)
        assert not waiting.done()
        feeder.add("a", 1)
        assert (await waiting).items == ("a",)
        assert clock() == 1501.0

    run(scenario)


def test_a_long_linger_keeps_no_message_after_the_rate_has_faded():
    """One arrival is a rate of one a second for a second; then nobody else is expected, whatever the linger is."""

    async def scenario(clock):
        feeder = feeder_of(clock, linger=60.0)
        feeder.add("a", 1)
        batch = await feeder.next()
        assert (batch.closed_because, clock()) == (ClosedBecause.FREE_SLOT, 1001.0)

    run(scenario)


def test_room_is_what_may_still_be_added():
    """It shrinks with what waits, is never negative, and is nothing while draining."""

    async def scenario(clock):
        feeder = feeder_of(clock, max_waiting=5, max_items=2)
        assert feeder.room == 5
        crowd(feeder, 4)
        assert (feeder.room, feeder.waiting) == (1, 4)
        crowd(feeder, 4)  # one poll may bring a few more than were asked for
        assert feeder.room == 0
        await feeder.next()
        assert feeder.waiting == 6
        feeder.drain()
        assert feeder.room == 0

    run(scenario)


def test_draining_hands_out_everything_without_lingering_and_ends():
    """In order, within the limits, as slots free up; then None, again and again."""

    async def scenario(clock):
        feeder = feeder_of(clock, slots=2, max_items=4, linger=60.0, max_waiting=99)
        crowd(feeder, 10)
        feeder.drain()
        batches = []
        while (batch := await feeder.next()) is not None:
            batches.append(batch)
            feeder.slot_freed()
        assert [b.items for b in batches] == [(0, 1, 2, 3), (4, 5, 6, 7), (8, 9)]
        assert batches[-1].closed_because is ClosedBecause.DRAIN
        assert clock() == 1000.0
        assert await feeder.next() is None

    run(scenario)


def test_draining_wakes_and_ends_an_idle_feeder():
    """A stop at a quiet hour is immediate."""

    async def scenario(clock):
        feeder = feeder_of(clock)
        waiting = asyncio.ensure_future(feeder.next())
        await asyncio.sleep(0)
        feeder.drain()
        assert await waiting is None

    run(scenario)


def test_draining_waits_for_a_slot_while_something_is_left():
    """What waits is asked, not dropped."""

    async def scenario(clock):
        feeder = feeder_of(clock, slots=1, max_items=1)
        crowd(feeder, 2)
        await feeder.next()
        feeder.drain()
        waiting = asyncio.ensure_future(feeder.next())
        await asyncio.sleep(100)
        assert not waiting.done()
        feeder.slot_freed()
        assert (await waiting).items == (1,)

    run(scenario)


def test_a_waiting_feeder_does_not_spin():
    """Between two events it looks at the window a bounded number of times."""

    async def scenario(clock):
        looks = 0

        def counted():
            nonlocal looks
            looks += 1
            return clock()

        feeder = feeder_of(counted, max_items=4, linger=5.0, slots=99, max_waiting=99)
        crowd(feeder, 43)
        for _ in range(10):
            await feeder.next()
        before = looks
        await feeder.next()
        assert looks - before < 10

    run(scenario)
