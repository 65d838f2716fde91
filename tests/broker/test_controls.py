"""Negative controls: workers with one rule broken, on a real broker. A checker that passes them proves nothing.

Each control has a schedule in which its crime must show; two of them also show that the sound worker passes the same.
"""

import random

import pytest

from tests.broker.stage import Stage, set_stage, tickets
from tests.broker.workers_under_test import PRODUCT, Crew, worker_settings
from tests.fakes.model_process import FakeModel
from tests.helpers import until

SEED = 20_260_801
BROKEN = "tests.broker.broken_worker"
COMMITTED = 'nanotriage_lane_commits_total{result="committed"}'
PACE = {"model__concurrency": 4, "batching__max_items": 8, "batching__max_waiting": 400, "batching__linger_seconds": 0.05}
SLOW_MODEL = ("--latency-ms", "20", "--jitter-ms", "80", "--codes", "hash", "--seed", str(SEED))


def settings_of(stage: Stage, model: FakeModel, rule: str | None = None, **others: object) -> dict[str, str]:
    """Return a worker's environment; the rule is broken by the module BROKEN and nowhere else."""
    settings = worker_settings(stage, model.base_url, **(PACE | others))
    return settings if rule is None else settings | {"BROKEN_RULE": rule}


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_the_checker_finds_a_position_taken_from_what_was_received(bootstrap, tmp_path):
    """Negative control: a worker that commits what it has seen, not what it has published, loses messages when it is killed."""
    chance = random.Random(SEED)
    stage = await set_stage(bootstrap, tmp_path)
    await stage.send(tickets(3_000, keys=100))
    with FakeModel(*SLOW_MODEL) as model:
        settings = settings_of(stage, model, "position_from_received")
        with Crew(stage, settings, 1, module=BROKEN) as crew:
            await stage.until_progress(500, 60)
            crew.kill_one(chance)
            await stage.until_progress(3_000, 60)
            crew.stop()
    verdict = await stage.judge()
    print(f"\n{verdict}")
    assert verdict.lost.count > 0, "the checker has no teeth"
    assert verdict.overcommitted.count == verdict.lost.count


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_the_checker_finds_a_zombie_that_is_not_fenced(bootstrap, tmp_path):
    """Negative control: with a transactional id per process nobody fences a zombie, and it doubles what its heir published."""
    stage = await set_stage(bootstrap, tmp_path)
    await stage.send(tickets(3_000, keys=100))
    # Between two commits lie seconds, so a worker that is held has events that are settled and not committed.
    with FakeModel(*SLOW_MODEL) as model:
        settings = settings_of(stage, model, "transactional_id_per_process", delivery__commit_seconds=5)
        with Crew(stage, settings, 2, module=BROKEN) as crew:
            await stage.until_members(2)
            victim = crew.everybody[0]
            await until(lambda: victim.metric("nanotriage_lane_commits_total") >= 1, 30)
            done = victim.metric("nanotriage_records_done_total")
            await until(lambda: victim.metric("nanotriage_records_done_total") >= done + 100, 30)
            victim.hold()
            await stage.until_members(1)
            await stage.until_progress(3_000, 60)
            victim.release()
            await stage.until_members(2)
            crew.stop()
    verdict = await stage.judge()
    print(f"\n{verdict}")
    assert verdict.doubled.count > 0, "the checker has no teeth"


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize("rule", ["sends_not_awaited", None])
async def test_the_checker_finds_sends_whose_failure_nobody_saw(bootstrap, tmp_path, rule):
    """The topics take batches smaller than ours: who does not await sends loses messages, the sound worker none."""
    stage = await set_stage(bootstrap, tmp_path, 2, output_settings={"max.message.bytes": "8000"})
    await stage.send(tickets(3_000, keys=100))
    with FakeModel("--codes", "hash") as model:
        settings = settings_of(stage, model, rule, delivery__commit_seconds=1)
        with Crew(stage, settings, 1, module=BROKEN if rule else PRODUCT) as crew:
            await stage.until_progress(3_000, 60)
            crew.stop()
    verdict = await stage.judge()
    print(f"\n{rule}: {verdict}")
    assert (verdict.lost.count > 0) is (rule is not None), str(verdict)
    assert verdict.kept is (rule is None)


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_the_checker_finds_offsets_that_were_read_too_early(bootstrap, tmp_path):
    """A frozen worker wakes and commits after its heir has read the offset and before it is fenced: events are doubled."""
    stage = await set_stage(bootstrap, tmp_path)
    await stage.send(tickets(5_000, keys=200))
    with FakeModel(*SLOW_MODEL) as model:
        settings = settings_of(stage, model, "offsets_before_fence", delivery__commit_seconds=5, model__concurrency=1)
        gate = tmp_path / "gate"
        gate.touch()
        settings["BROKEN_GATE"] = str(gate)
        with Crew(stage, settings, 2, module=BROKEN) as crew:
            await stage.until_members(2)
            victim, heir = crew.everybody
            # Each of its three lanes has just committed: none is about to when it is held.
            begun = victim.metric("nanotriage_lane_commits_total")
            await until(lambda: victim.metric("nanotriage_lane_commits_total") >= begun + 3, 40)
            done = victim.metric("nanotriage_records_done_total")
            await until(lambda: victim.metric("nanotriage_records_done_total") >= done + 50, 30)
            before, committed = len(heir.lines("read_too_early")), victim.metric(COMMITTED)
            victim.hold()
            gate.unlink()
            await until(lambda: len(heir.lines("read_too_early")) >= before + 6, 40)  # the victim's lanes, and its own anew
            victim.release()
            await until(lambda: victim.metric(COMMITTED) > committed, 40)
            victim.kill()
            gate.touch()
            await stage.until_progress(5_000, 110)
            crew.stop()
    verdict = await stage.judge()
    print(f"\n{verdict}")
    assert verdict.doubled.count > 0, "the checker has no teeth"


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize("rule", ["one_transactional_id", None])
async def test_the_checker_finds_lanes_that_fence_each_other(kafka, bootstrap, tmp_path, rule):
    """Under one id for all partitions, lanes abort each other's transactions though nothing failed; the sound worker's never."""
    stage = await set_stage(bootstrap, tmp_path, 24)
    await stage.send(tickets(6_000, keys=200))
    with FakeModel(*SLOW_MODEL) as model:
        settings = settings_of(stage, model, rule, delivery__commit_seconds=0.05)
        with Crew(stage, settings, 1, module=BROKEN if rule else PRODUCT) as crew:
            await stage.until_progress(6_000, 60)
            crew.stop()
    verdict = await stage.judge(evidence=stage.evidence([node.folder / "data" for node in kafka.nodes], calm=True))
    print(f"\n{rule}: {verdict}")
    assert (verdict.disturbed.count > 0) is (rule is not None)
    assert verdict.kept is (rule is None)
