"""Static membership (KIP-345) with the real command line: a restart costs no rebalance, and a name has one holder."""

import pytest

from tests.broker.stage import set_stage, tickets
from tests.broker.workers_under_test import Crew, Worker, worker_settings
from tests.fakes.model_process import FakeModel
from workers.exits import Exit

PACE = {"model__concurrency": 2, "batching__max_items": 4, "batching__max_waiting": 100, "batching__linger_seconds": 0.05}


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize("end", ["kill", "stop"])
async def test_a_restarted_member_gets_its_partitions_back_and_others_keep_theirs(bootstrap, tmp_path, end):
    """Killed or stopped and started under the same name, a worker goes on; the other one never hears of it."""
    stage = await set_stage(bootstrap, tmp_path, 4)
    await stage.send(tickets(700, keys=50))
    with FakeModel("--latency-ms", "100") as model:
        settings = worker_settings(stage, model.base_url, **PACE, kafka__session_timeout_seconds=30)
        named = [settings | {"NANOTRIAGE_KAFKA__GROUP_INSTANCE_ID": f"worker-{n}"} for n in range(2)]
        workers = [Worker(stage, environment, name=f"member-{n}") for n, environment in enumerate(named)]
        try:
            await stage.until_members(2)
            await stage.until_progress(100, 60)
            joined = joins(workers[1])
            getattr(workers[0], end)()
            again = Worker(stage, named[0], name="member-0-again")
            workers.append(again)
            await stage.until_progress(700, 60)
            assert again.lanes("active") == 2
            assert joins(workers[1]) == joined, "the other member was told to rebalance"
            assert [worker.stop() for worker in workers[1:]] == [Exit.OK, Exit.OK]
        finally:
            for worker in workers:
                worker.end()
    verdict = await stage.judge()
    assert verdict.kept, str(verdict)
    assert verdict.events == 700


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_a_second_worker_of_the_same_name_ends_the_first(bootstrap, tmp_path):
    """The first one ends with one sentence and exit code 3, the second one does the work, and every input has one event."""
    stage = await set_stage(bootstrap, tmp_path, 2)
    await stage.send(tickets(700, keys=50))
    with FakeModel("--latency-ms", "100") as model:
        settings = worker_settings(stage, model.base_url, **PACE, kafka__group_instance_id="twin")
        with Crew(stage, settings, 1) as crew:
            (first,) = crew.everybody
            await stage.until_progress(100, 60)
            second = crew.add()
            assert first.wait(40) == Exit.BROKER, first.tail()
            said = first.log.read_text()
            assert "Traceback" not in said
            (sentence,) = [line for line in said.splitlines() if "another worker has joined" in line and "error" in line][-1:]
            assert "group_instance_id twin" in sentence
            await stage.until_progress(700, 60)
            assert joins(second) == 1, "the two took the name from each other"
            assert crew.stop() == [Exit.OK]
    verdict = await stage.judge()
    assert verdict.kept, str(verdict)
    assert verdict.events == 700


def joins(worker):
    return sum(line.get("event", "").startswith("Joined group") for line in worker.lines())
