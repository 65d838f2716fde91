"""Controls on a real Kafka: three worker processes, the real command, and the time from a change to its last worker."""

import asyncio
import json
from contextlib import suppress

import pytest

from tests.broker.stage import set_stage, ticket
from tests.broker.workers_under_test import Crew, worker_settings
from tests.fakes.model_process import FakeModel
from workers.cli import main
from workers.exits import Exit

MOST_MS = 2_000


@pytest.mark.slow
@pytest.mark.timeout(360)
async def test_a_change_reaches_every_worker_within_two_seconds_and_loses_nothing(kafka, tmp_path, capsys):
    """From the control's time stamp to the last acknowledgement's, both the broker's; a pause holds the intake and nothing else."""
    stage = await set_stage(kafka.bootstrap, tmp_path)
    topic = f"{stage.name}.controls"
    flags = ("--brokers", kafka.bootstrap, "--set", f"controls.topic={topic}", "--json")

    async def said(*args, code=Exit.OK):
        assert await asyncio.to_thread(main, [*args, *flags]) == code
        return json.loads(capsys.readouterr().out)

    async def change(*how):
        answer = await said("control", *how, "--task", "tickets", "--because", "to see it")
        assert [worker["answer"] for worker in answer["workers"]] == ["runs"] * 3, answer
        return answer["control"]["version"], max(worker["milliseconds"] for worker in answer["workers"])

    made = await said("topics", "apply", "--task", str(stage.task_file))
    assert {line["role"] for line in made if line["action"] == "create"} == {"controls", "changes", "acknowledgements"}
    with FakeModel("--latency-ms", "20", "--codes", "hash") as model:
        settings = worker_settings(stage, model.base_url, controls__topic=topic)
        with Crew(stage, settings, 3) as crew:
            await stage.until_members(3, 150)
            await stage.send(ticket(number, 50) for number in range(300))
            changes = [await change("resume" if number % 2 else "pause") for number in range(5)]
            await stage.send(ticket(number, 50) for number in range(300, 600))
            paused_at = await stage.progress()
            with suppress(AssertionError):
                await stage.until_progress(600, 1.5)
            assert await stage.progress() <= 300, "a paused task was read"
            for worker in crew.running:
                status, body = worker.get("/ready")
                assert (status, "paused by" in body.decode()) == (200, True)
                assert worker.metric("nanotriage_paused") == 1
            rows = (await said("control", "show"))["workers"]
            assert [row["runs"]["tickets"]["version"] for row in rows] == [5, 5, 5]
            refused = await said(
                "control", "set", "--task", "tickets", "--max-items", "64", "--because", "more", code=Exit.FAILED
            )
            assert {worker["answer"] for worker in refused["workers"]} == {"refuses"}
            await said("control", "show", code=Exit.FAILED)
            await change("set", "--max-items", "2")
            await change("resume")
            await stage.until_progress(600, 60)
            batches = crew.running[0].get("/metrics")[1].decode()
            assert 'nanotriage_batch_size{task="tickets"} 2.0' in batches
            assert crew.stop() == [Exit.OK] * 3
    assert paused_at <= 300
    assert [version for version, _ in changes] == [1, 2, 3, 4, 5]
    assert (await said("control", "show"))["workers"] == []
    verdict = await stage.judge()
    assert verdict.kept, str(verdict)
    assert verdict.events == 600
    slowest = sorted(milliseconds for _, milliseconds in changes)
    assert slowest[2] < MOST_MS, f"the median of five changes: {slowest}"
