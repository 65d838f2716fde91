"""The other promises and orders, on a real broker: workers are killed while they work, and the checker is told what holds."""

import random
from collections import Counter

import pytest

from tests.broker.stage import set_stage, tickets
from tests.broker.workers_under_test import Crew, worker_settings
from tests.checker import Promise
from tests.fakes.model_process import FakeModel

SEED = 20_261_121
PACE = {"model__concurrency": 4, "batching__max_items": 8, "batching__max_waiting": 400, "batching__linger_seconds": 0.05}
SLOW_MODEL = ("--latency-ms", "20", "--jitter-ms", "80", "--codes", "hash", "--seed", str(SEED))


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_at_least_once_loses_nothing_under_kill_9(bootstrap, tmp_path):
    """8,000 messages, three workers, four kills: nothing lost, in key order, few repeated, and not one transaction."""
    chance = random.Random(SEED)
    stage = await set_stage(bootstrap, tmp_path)
    await stage.send(tickets(8_000, keys=200))
    settings = worker_settings(stage, "", **PACE, delivery__mode="at_least_once")
    kills = 0
    with FakeModel(*SLOW_MODEL) as model:
        settings["NANOTRIAGE_MODEL__BASE_URL"] = model.base_url
        with Crew(stage, settings, 3) as crew:
            for target in range(1_000, 7_500, 1_800):
                await stage.until_progress(target + chance.randrange(800), 90)
                crew.kill_one(chance)
                kills += 1
            await stage.until_progress(8_000, 90)
            assert crew.stop() == [0, 0, 0]
    verdict = await stage.judge(Promise.AT_LEAST_ONCE)
    print(f"\n{kills} kills; {verdict}")
    assert verdict.kept, str(verdict)
    assert verdict.events == 8_000 + verdict.repeats
    # A worker's settled and uncommitted messages are among those it holds; a commit interval's are far fewer.
    assert verdict.repeats <= kills * 400
    ends = Counter[object]()
    for event in await stage.read(*stage.outputs):
        ends[event.partition] = max(ends[event.partition], event.offset + 1)
    assert sum(ends.values()) == verdict.events, "an offset without a record is a transaction's marker"


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize("order", ["partition", "none"])
async def test_other_orders_are_kept_under_kill_9(bootstrap, tmp_path, order):
    """By partition, every event follows all earlier ones of its partition; by none, nothing waits. One event each in both."""
    chance = random.Random(SEED)
    stage = await set_stage(bootstrap, tmp_path)
    await stage.send(tickets(3_000, keys=100))
    settings = worker_settings(stage, "", **PACE, delivery__order=order)
    with FakeModel(*SLOW_MODEL) as model:
        settings["NANOTRIAGE_MODEL__BASE_URL"] = model.base_url
        with Crew(stage, settings, 2) as crew:
            await stage.until_progress(800, 90)
            crew.kill_one(chance)
            await stage.until_progress(3_000, 90)
            assert crew.stop() == [0, 0]
    verdict = await stage.judge(order=order)
    print(f"\n{order}: {verdict}")
    assert verdict.kept, str(verdict)
    other = {"partition": "none", "none": "partition"}[order]
    assert bool((await stage.judge(order=other)).misordered.count) == (order == "none"), "the order makes no difference"
