"""Feeder, sizing and limiter together, in virtual time: with work enough, the calls that may be under way are, and are full.

Each of them searches for what is best by trying. Alone each finds it; together they must not take one's trial for the other's.
"""

import asyncio
import random

import pytest

from tests.simulation.virtual import run_virtually
from tests.unit.limiting.virtual_calls import limiter_of
from workers.allowance import UNTOLD
from workers.batching.feeder import Feeder
from workers.batching.sizing import Allowed, Sizing
from workers.batching.slots import Slots
from workers.batching.tokens import Call, TokenCost
from workers.batching.window import Limits, Window
from workers.limiting.outcome import Answered

SECONDS, CALLS, BATCH = 0.3, 32, 16


class Works:
    """The stages between the window and the model, and a model that takes as long for many messages as for one."""

    def __init__(self, spread, own_seconds):
        self.clock = asyncio.get_running_loop().time
        self.limiter = limiter_of(most=CALLS, adaptive=True)
        self.sizing = Sizing(Limits(BATCH, 6_000, 0.2), TokenCost(5_000), Allowed)
        window = Window(self.sizing.limits())
        self.feeder = Feeder("task", window, Slots(CALLS, {"task": 1.0}), max_waiting=4_000, clock=self.clock)
        self.spread, self.own_seconds, self.busy_until = spread, own_seconds, 0.0
        self.random = random.Random(1)
        self.done = 0

    async def dispatch(self):
        async with asyncio.TaskGroup() as calls:
            while True:
                for _ in range(self.feeder.room):
                    self.feeder.add(0, 100)
                calls.create_task(self.label(await self.feeder.next()))

    async def label(self, batch):
        items, ticket = len(batch.items), await self.limiter.enter(1_000)
        began = self.clock()
        await asyncio.sleep(SECONDS * self.random.uniform(1 - self.spread, 1 + self.spread))
        self.busy_until = max(self.busy_until, self.clock()) + self.own_seconds * items
        await asyncio.sleep(self.busy_until - self.clock())  # one thread works through the answers
        self.limiter.report(ticket, Answered(1_000 + 60 * items, UNTOLD, self.clock() - began))
        call = Call(5_000 + 300 * items, items, 1_400 + 80 * items, 8 + 30 * items)
        self.sizing.answered(call, self.clock() - began, steady=self.limiter.steady)
        self.feeder.resize(self.sizing.limits())
        self.done += items
        self.feeder.slot_freed()


@pytest.mark.parametrize(("spread", "own_seconds"), [(0.0, 0.0), (0.0, 7e-5), (0.3, 7e-5), (0.3, 0.0)])
def test_a_model_without_limits_is_used_in_full_from_the_start(spread, own_seconds):
    """Of what 32 calls of 16 messages could bring, at least 0.97 after four seconds, whether answers come in bursts or not."""

    async def main():
        works = Works(spread, own_seconds)
        running = asyncio.ensure_future(works.dispatch())
        await asyncio.sleep(4)
        before = works.done
        await asyncio.sleep(25)
        running.cancel()
        return (works.done - before) / 25 / (CALLS * BATCH / SECONDS)

    assert run_virtually(main()) >= 0.97
