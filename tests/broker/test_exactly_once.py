"""The promise, on a real broker: workers are killed and held while they work, and every input has exactly one event.

Each test loads the topic first, lets a nemesis loose on the workers, waits until everything is committed, stops the workers
and hands the topics to the checker, which knows nothing of how a worker works.
"""

import random
import time
from collections import Counter

import pytest

from tests.broker.stage import set_stage, tickets
from tests.broker.workers_under_test import Crew, worker_settings
from tests.fakes.model_process import FakeModel
from tests.helpers import until

SEED = 20_260_801
PACE = {"model__concurrency": 4, "batching__max_items": 8, "batching__max_waiting": 400, "batching__linger_seconds": 0.05}
SLOW_MODEL = ("--latency-ms", "20", "--jitter-ms", "80", "--codes", "hash", "--seed", str(SEED))


def reasked(model: FakeModel) -> int:
    """Return how many questions about our texts were asked beyond the first of each."""
    texts = Counter(model.stats(texts=True)["texts"])
    return sum(count - 1 for text, count in texts.items() if text.startswith("please cancel"))


def reasked_most(crew: Crew, hits: int, in_flight: int, pace: float) -> int:
    """Return how many may be asked again: at each join and hit what was in flight, and what was answered since a commit.

    Commits of a lane are at most 0.2 s apart and take time themselves: together less than a second of a worker's pace.
    """
    return round((crew.joins() + hits) * (in_flight + pace))


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_kill_9_again_and_again_loses_and_doubles_nothing(bootstrap, tmp_path):
    """20,000 messages, three workers, one of them killed at every 2,500 messages: one event each, in key order, all committed."""
    chance = random.Random(SEED)
    stage = await set_stage(bootstrap, tmp_path)
    await stage.send(tickets(20_000, keys=500))
    started = time.monotonic()
    with FakeModel(*SLOW_MODEL) as model, Crew(stage, worker_settings(stage, model.base_url, **PACE), 3) as crew:
        kills = 0
        for target in range(1_000, 19_000, 2_500):
            await stage.until_progress(target + chance.randrange(1_000), 90)
            crew.kill_one(chance)
            kills += 1
        await stage.until_progress(20_000, 90)
        seconds = time.monotonic() - started
        assert crew.stop() == [0, 0, 0]
        again, most = reasked(model), reasked_most(crew, kills, 4 * 8, 20_000 / seconds / 3)
    verdict = await stage.judge()
    print(f"\n{kills} kills in {seconds:.0f} s, {again} items asked again (at most {most}); {verdict}")
    assert verdict.kept, str(verdict)
    assert (verdict.inputs, verdict.events) == (20_000, 20_000)
    assert kills >= 5
    assert again <= most, "more is asked again than was in flight or not yet committed"


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_a_zombie_publishes_nothing_that_its_heir_has_published(bootstrap, tmp_path):
    """A worker with calls in flight is held past its session, its partitions go to others, and it wakes up: no event is doubled."""
    chance = random.Random(SEED)
    stage = await set_stage(bootstrap, tmp_path)
    await stage.send(tickets(6_000, keys=200))
    started = time.monotonic()
    slow = {**PACE, "model__concurrency": 2, "batching__max_items": 4}
    with FakeModel(*SLOW_MODEL) as model, Crew(stage, worker_settings(stage, model.base_url, **slow), 3) as crew:
        for _ in range(2):
            await stage.until_members(3)
            victim = chance.choice(crew.running)
            await until(lambda victim=victim: victim.metric("nanotriage_calls_in_flight") >= 2, 30)
            victim.hold()
            await stage.until_members(2)
            await stage.until_progress(await stage.progress() + 300, 60)
            victim.release()
        await stage.until_progress(6_000, 90)
        seconds = time.monotonic() - started
        assert crew.stop() == [0, 0, 0]
        again, most = reasked(model), reasked_most(crew, 2, 2 * 4, 6_000 / seconds / 3)
        fenced = crew.count("commit_in_doubt", result="fenced")
    verdict = await stage.judge()
    print(f"\n2 zombies in {seconds:.0f} s, {fenced} commits fenced, {again} items asked again (at most {most}); {verdict}")
    assert verdict.kept, str(verdict)
    assert verdict.events == 6_000
    assert again <= most, "more is asked again than was in flight or not yet committed"
