"""Feeder, sizing and limiter together, in virtual time: with work enough, the calls that may be under way are, and are full.

Each of them searches for what is best by trying. Alone each finds it; together they must not take one's trial for the other's.
"""

import asyncio
import random

import pytest

from tests.simulation.virtual import run_virtually
from tests.unit.limiting.virtual_calls import UNKNOWN, limiter_of
from workers.allowance import UNTOLD
from workers.batching.feeder import Feeder
from workers.batching.sizing import Allowed, Sizing
from workers.batching.slots import Slots
from workers.batching.tokens import Call, TokenCost
from workers.batching.window import Limits, Window
from workers.limiting.outcome import Answered
from workers.limiting.quota import Known

SECONDS, CALLS, BATCH = 0.3, 32, 16


class Works:
    """The stages between the window and the model, and a model that takes as long for many messages as for one."""

    def __init__(self, known=UNKNOWN, spread=0.0, own_seconds=0.0):
        self.clock = asyncio.get_running_loop().time
        self.limiter = limiter_of(known, most=CALLS, adaptive=True)
        self.sizing = Sizing(Limits(BATCH, 6_000, 0.2), TokenCost(5_000), Allowed)
        self.feeder = Feeder(
            "task",
            Window(self.sizing.limits()),
            Slots(CALLS, {"task": 1.0}),
            max_waiting=4_000,
            clock=self.clock,
            opens_in=lambda load, wake: self.limiter.opens_in(400 + load.tokens, 1, wake),
        )
        self.spread, self.own_seconds, self.busy_until = spread, own_seconds, 0.0
        self.random = random.Random(1)
        self.calls, self.waits = [], []

    async def dispatch(self, backlog):
        async with asyncio.TaskGroup() as calls:
            while True:
                for _ in range(self.feeder.room if backlog else 0):
                    self.feeder.add(self.clock(), 100)
                batch = await self.feeder.next()
                calls.create_task(self.label(batch.items, self.limiter.start(400 + 100 * len(batch.items))))

    async def arrive(self, per_second):
        while True:
            await asyncio.sleep(self.random.expovariate(per_second))
            self.feeder.add(self.clock(), 100)

    async def label(self, messages, ticket):
        items, began = len(messages), self.clock()
        await asyncio.sleep(SECONDS * self.random.uniform(1 - self.spread, 1 + self.spread))
        self.busy_until = max(self.busy_until, self.clock()) + self.own_seconds * items
        await asyncio.sleep(self.busy_until - self.clock())  # one thread works through the answers
        self.limiter.report(ticket, Answered(400 + 100 * items, UNTOLD, self.clock() - began))
        call = Call(5_000 + 300 * items, items, 1_400 + 80 * items, 8 + 30 * items)
        self.sizing.answered(call, self.clock() - began, steady=self.limiter.steady)
        self.feeder.resize(self.sizing.limits())
        self.calls.append(items)
        self.waits += [began - arrived for arrived in messages]
        self.feeder.slot_freed()

    async def measured(self, seconds, *tasks, after=4.0):
        """Let the tasks run and forget what was before."""
        running = [asyncio.ensure_future(task) for task in tasks]
        await asyncio.sleep(after)
        self.calls, self.waits = [], []
        await asyncio.sleep(seconds)
        for task in running:
            task.cancel()


@pytest.mark.parametrize(("spread", "own_seconds"), [(0.0, 0.0), (0.0, 7e-5), (0.3, 7e-5), (0.3, 0.0)])
def test_a_model_without_limits_is_used_in_full_from_the_start(spread, own_seconds):
    """Of what 32 calls of 16 messages could bring, at least 0.97 after four seconds, whether answers come in bursts or not."""

    async def main():
        works = Works(spread=spread, own_seconds=own_seconds)
        await works.measured(25, works.dispatch(backlog=True))
        return sum(works.calls) / 25 / (CALLS * BATCH / SECONDS)

    assert run_virtually(main()) >= 0.97


@pytest.mark.parametrize("known", [Known(60, None), Known(None, 60 * 2_000)])
def test_under_limits_no_call_is_wasted_on_half_a_batch(known):
    """One call a second, and ten messages: they share it, and none waits much longer than for the next call."""

    async def main():
        works = Works(known)
        await works.measured(120, works.arrive(10), works.dispatch(backlog=False), after=30.0)
        return works

    works = run_virtually(main())
    assert sum(works.calls) / 120 == pytest.approx(10, rel=0.1)
    assert sorted(works.waits)[int(0.95 * len(works.waits))] <= 2.5


def test_under_limits_a_backlog_goes_in_full_batches():
    """Two calls a second, each of them full."""

    async def main():
        works = Works(Known(120, None))
        await works.measured(60, works.dispatch(backlog=True))
        return works.calls

    calls = run_virtually(main())
    assert set(calls) == {BATCH}
    assert len(calls) == pytest.approx(120, abs=2)
