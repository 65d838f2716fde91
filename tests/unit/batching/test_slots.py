"""Tasks that share a model share its calls by weight; a lone batch waits for one call, and no wish is waited for in vain."""

import asyncio

import hypothesis.strategies as st
import pytest
from hypothesis import given

from tests.simulation.virtual import run_virtually
from workers.batching.feeder import Feeder
from workers.batching.slots import Slots
from workers.batching.window import Limits, Window

CALL_SECONDS = 1.0


class Crew:
    """Feeders on one set of slots, each with a task that makes a call of one second for each of its batches."""

    def __init__(self, slots, weights):
        self.clock = asyncio.get_running_loop().time
        self.slots = Slots(slots, weights)
        self.feeders = {
            name: Feeder(name, Window(Limits(1, 1_000, 0.2)), self.slots, max_waiting=10_000, clock=self.clock)
            for name in weights
        }
        self.asked = {name: [] for name in weights}
        self.tasks = {name: asyncio.ensure_future(self.work(name)) for name in weights}
        self.calls = set()

    async def work(self, name):
        while await self.feeders[name].next() is not None:
            self.asked[name].append(self.clock())
            call = asyncio.ensure_future(self.call(name))
            self.calls.add(call)
            call.add_done_callback(self.calls.discard)

    async def call(self, name):
        await asyncio.sleep(CALL_SECONDS)
        self.feeders[name].slot_freed()

    def flood(self, name, count=2_000):
        for number in range(count):
            self.feeders[name].add(number, 1)


@pytest.mark.parametrize("slots", [1, 3, 8])
def test_floods_share_the_calls_by_weight(slots):
    """Three to one, whatever the number of slots."""

    async def scenario():
        crew = Crew(slots, {"heavy": 3.0, "light": 1.0})
        crew.flood("heavy")
        crew.flood("light")
        await asyncio.sleep(100.5)
        heavy, light = len(crew.asked["heavy"]), len(crew.asked["light"])
        assert heavy + light == slots * 101
        assert abs(heavy - 3 * light) <= 4

    run_virtually(scenario())


def test_a_lone_batch_waits_for_one_call_of_a_flood():
    """However small its weight, and however long the flood has lasted."""

    async def scenario():
        crew = Crew(1, {"flood": 1000.0, "lone": 0.01})
        crew.flood("flood")
        await asyncio.sleep(50.5)
        crew.feeders["lone"].add("a", 1)
        began = crew.clock()
        await asyncio.sleep(2)
        assert [at - began <= CALL_SECONDS for at in crew.asked["lone"]] == [True]

    run_virtually(scenario())


def test_a_task_that_ends_while_it_waits_is_not_waited_for():
    """Its claim goes with it, and the slot to the other one."""

    async def scenario():
        crew = Crew(1, {"first": 1.0, "second": 1.0})
        crew.flood("first", 1)
        await asyncio.sleep(0.5)
        crew.flood("second", 1)
        await asyncio.sleep(0)
        crew.flood("first", 5)
        await asyncio.sleep(0)
        crew.tasks["second"].cancel()
        await asyncio.sleep(10)
        assert len(crew.asked["first"]) == 6
        assert crew.asked["second"] == []

    run_virtually(scenario())


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 5), st.floats(0, 3)), max_size=25),
    st.integers(1, 4),
    st.dictionaries(st.sampled_from("abc"), st.floats(0.1, 10), min_size=3, max_size=3),
)
def test_no_slot_is_idle_while_a_batch_could_go(arrivals, slots, weights):
    """Whoever comes when: as many calls are under way as slots or batches allow, and all are asked."""

    async def scenario():
        crew, sent = Crew(slots, weights), 0
        for name, count, pause in arrivals:
            crew.flood(name, count)
            sent += count
            await asyncio.sleep(pause + 0.001)
            waiting = sum(feeder.waiting for feeder in crew.feeders.values())
            assert len(crew.calls) <= slots
            assert not waiting or len(crew.calls) == slots
        await asyncio.sleep(sent * CALL_SECONDS + 1)
        assert sum(len(asked) for asked in crew.asked.values()) == sent

    run_virtually(scenario())
