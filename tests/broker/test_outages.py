"""Outages with the real command line: the broker or the model is away, at start or later, and nothing is lost, doubled or dead."""

import asyncio
import signal
import time

import orjson
import pytest

from tests.broker.stage import Stage, set_stage, tickets
from tests.broker.workers_under_test import Crew, run_to_end, worker_settings
from tests.fakes.model_process import FakeModel
from tests.helpers import until
from topics.embedded import EmbeddedKafka
from workers.exits import Exit

PACE = {"model__concurrency": 2, "batching__max_items": 8, "batching__max_waiting": 200, "batching__linger_seconds": 0.05}
PROVIDER_FAULTS = ("429", "500", "html", "error_body", "cut_body", "reset")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """A broker of our own, that may be killed."""
    made = EmbeddedKafka(tmp_path_factory.mktemp("outages"), name="outages")
    made.start()
    yield made
    made.destroy()


@pytest.fixture
def broker(cluster):
    """Its only node, running."""
    node = cluster.node(1)
    node.start()
    return node


async def all_labelled(stage: Stage, count: int) -> None:
    """Check that every input was labelled, once, in order, and nothing escalated or dead."""
    verdict = await stage.judge()
    assert verdict.kept, str(verdict)
    assert verdict.by_topic == {stage.outputs[0]: count}, str(verdict)


async def test_a_broker_that_is_down_at_start_is_waited_for(cluster, broker, tmp_path):
    """The worker says once that it waits, and works as soon as the broker is there."""
    stage = await set_stage(cluster.bootstrap, tmp_path, 2)
    await stage.send(tickets(200, keys=20))
    broker.stop()
    with FakeModel() as model, Crew(stage, worker_settings(stage, model.base_url), 1, "--patience", "60") as crew:
        (worker,) = crew.everybody
        assert "no broker can be reached" in worker.until_logged("waiting")["why"]
        broker.start()
        await stage.until_progress(200, 60)
        assert len(worker.lines("waiting")) == 1
        assert crew.stop() == [Exit.OK]
    await all_labelled(stage, 200)


async def test_a_broker_that_stays_away_ends_the_start_with_one_sentence(cluster, broker, tmp_path):
    """After its patience the worker gives up: exit code 3, one sentence, no traceback."""
    stage = await set_stage(cluster.bootstrap, tmp_path, 1)
    broker.stop()
    with FakeModel() as model:
        settings = worker_settings(stage, model.base_url)
        started = time.monotonic()
        code, said = run_to_end(["run", "--task", str(stage.task_file), "--patience", "3"], tmp_path, settings)
    assert code == Exit.BROKER, said
    (sentence,) = [line for line in said.splitlines() if line.startswith("error: ")]
    assert "gave up after 3 s" in sentence
    assert "Traceback" not in said
    assert time.monotonic() - started < 15


@pytest.mark.timeout(180)
async def test_a_broker_killed_in_the_run_costs_nothing(cluster, broker, tmp_path):
    """Killed for a moment, then for so long that commits are in doubt: one event each, and the workers keep their partitions."""
    stage = await set_stage(cluster.bootstrap, tmp_path)
    messages = tickets(4_000, keys=100)
    await stage.send(messages[:2_000])
    started = time.monotonic()
    with (
        FakeModel("--latency-ms", "20", "--jitter-ms", "40") as model,
        Crew(stage, worker_settings(stage, model.base_url, **PACE), 2) as crew,
    ):
        await stage.until_members(2)
        await stage.until_progress(200, 60)
        joins = crew.joins()
        for noticed, messages_then in (("Marking the coordinator dead", messages[2_000:]), ("commit_in_doubt", [])):
            before = crew.count_starting(noticed)
            broker.kill()
            await until(lambda said=noticed, before=before: crew.count_starting(said) > before, 40)
            broker.start()
            await stage.send(messages_then)
            await stage.until_progress(2_200 if messages_then else 4_000, 60)
        seconds = time.monotonic() - started
        assert crew.joins() == joins, "an outage shorter than the session is no reason to rebalance"
        assert crew.stop() == [Exit.OK, Exit.OK]
    assert all(len(worker.lines()) < 1_000 for worker in crew.everybody), "an outage is told, not shouted"
    print(f"\n2 kills of the broker, {crew.count('commit_in_doubt')} commits in doubt, {seconds:.0f} s")
    await all_labelled(stage, 4_000)


@pytest.mark.timeout(180)
async def test_a_stop_ends_in_time_though_no_broker_answers(cluster, broker, tmp_path):
    """SIGTERM while the broker is away ends the worker within its deadline, and its heir finishes the work."""
    stage = await set_stage(cluster.bootstrap, tmp_path, 2)
    await stage.send(tickets(1_000, keys=50))
    with FakeModel("--latency-ms", "50") as model:
        settings = worker_settings(stage, model.base_url, **PACE, stop_seconds=5)
        with Crew(stage, settings, 1) as crew:
            await stage.until_progress(100, 60)
            broker.kill()
            started = time.monotonic()
            (code,) = crew.stop()
            seconds = time.monotonic() - started
            broker.start()
            crew.add()
            await stage.until_progress(1_000, 60)
            crew.stop()
    print(f"\nstopped in {seconds:.1f} s with exit code {code}")
    assert seconds < 35
    assert code == Exit.OK
    await all_labelled(stage, 1_000)


async def test_a_model_that_is_away_costs_no_message_and_no_partition(bootstrap, tmp_path):
    """Down at start, killed later and started again: nothing dies, nobody leaves the group, and the worker lives on."""
    stage = await set_stage(bootstrap, tmp_path, 3)
    await stage.send(tickets(2_000, keys=50))
    with FakeModel("--latency-ms", "20") as model:
        model.kill()
        with Crew(stage, worker_settings(stage, model.base_url, **PACE), 1) as crew:
            (worker,) = crew.everybody
            assert "cannot be asked" in worker.until_logged("waiting")["why"]
            assert await stage.members() == frozenset(), "no partition is taken before the model is there"
            model.start()
            await stage.until_progress(300, 60)
            members = await stage.members()
            model.kill()
            worker.until_logged("model_unavailable")
            await asyncio.sleep(7)  # longer than a session: a worker that waited for the model would be expelled
            assert worker.get("/live")[0] == 200
            assert await stage.members() == members
            model.start()
            await stage.until_progress(2_000, 60)
            assert await stage.members() == members
            assert worker.lanes("active") == 3, "each partition was taken once"
            assert worker.lanes("closed") == 0
            assert crew.stop() == [Exit.OK]
    await all_labelled(stage, 2_000)


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_two_minutes_without_the_model_cost_two_minutes(bootstrap, tmp_path):
    """Nothing dies, nobody leaves the group, and the backlog goes at half the usual pace at least (a shared machine is uneven)."""
    stage = await set_stage(bootstrap, tmp_path, 3)
    await stage.send(tickets(3_000, keys=50))

    async def seconds_for(first, last):
        await stage.until_progress(first, 120)
        started = time.monotonic()
        await stage.until_progress(last, 120)
        return time.monotonic() - started

    with FakeModel("--latency-ms", "100") as model, Crew(stage, worker_settings(stage, model.base_url, **PACE), 1) as crew:
        usual = await seconds_for(200, 1_200)
        members = await stage.members()
        model.kill()
        await asyncio.sleep(120)
        model.start()
        progress = await stage.progress()
        afterwards = await seconds_for(progress + 100, progress + 1_100)
        await stage.until_progress(3_000, 120)
        assert await stage.members() == members, "nobody left, nobody joined"
        assert crew.stop() == [Exit.OK]
    print(f"\n1,000 messages took {usual:.1f} s before the outage, {afterwards:.1f} s after it")
    await all_labelled(stage, 3_000)
    assert afterwards < 2 * usual


@pytest.mark.slow
async def test_an_account_that_is_barred_stops_the_intake_until_it_is_mended(bootstrap, tmp_path):
    """/ready says 503 and why while the key is refused, and 200 afterwards; nothing dies and no partition is lost."""
    stage = await set_stage(bootstrap, tmp_path, 3)
    await stage.send(tickets(1_500, keys=50))
    with FakeModel("--latency-ms", "20") as model, Crew(stage, worker_settings(stage, model.base_url, **PACE), 1) as crew:
        (worker,) = crew.everybody
        await stage.until_progress(300, 60)
        assert worker.get("/ready")[0] == 200
        members = await stage.members()
        model.control(mode="401")
        await until(lambda: worker.get("/ready")[0] == 503, 20)
        assert "refuses the API key" in str(orjson.loads(worker.get("/ready")[1])["reasons"])
        assert worker.get("/live")[0] == 200
        assert len(worker.lines("intake_stopped")) == 1
        model.control(mode="ok")
        await until(lambda: worker.get("/ready")[0] == 200, 45)
        await stage.until_progress(1_500, 60)
        assert await stage.members() == members
        assert crew.stop() == [Exit.OK]
    await all_labelled(stage, 1_500)


async def test_a_provider_in_trouble_costs_no_message(bootstrap, tmp_path):
    """One call in four fails in some way of the provider's: all is labelled, nothing is dead."""
    stage = await set_stage(bootstrap, tmp_path, 3)
    await stage.send(tickets(1_000, keys=50))
    faults = [flag for fault in PROVIDER_FAULTS for flag in ("--fault", f"{fault}=0.04")]
    many = {**PACE, "model__concurrency": 16}
    with FakeModel(*faults, "--seed", "5") as model, Crew(stage, worker_settings(stage, model.base_url, **many), 1) as crew:
        await stage.until_progress(1_000, 90)
        assert crew.stop() == [Exit.OK]
        seen = model.stats()["faults"]
    print(f"\n{seen}")
    assert len(seen) >= 4
    await all_labelled(stage, 1_000)


async def test_a_stop_publishes_what_was_asked(bootstrap, tmp_path):
    """SIGTERM with calls under way: no new messages, the answers are awaited and committed, exit code 0; an heir does the rest."""
    stage = await set_stage(bootstrap, tmp_path, 3)
    await stage.send(tickets(1_000, keys=50))
    once = {**PACE, "guard__share": 0, "limits__hedge_share": 0}  # nothing is asked twice on purpose
    with FakeModel("--latency-ms", "300") as model, Crew(stage, worker_settings(stage, model.base_url, **once), 1) as crew:
        await stage.until_progress(20, 60)
        assert crew.stop() == [Exit.OK]
        asked = {text for text in model.stats(texts=True)["texts"] if text.startswith("please cancel")}
        half_way = await stage.judge()
        assert set(half_way.findings) == {"lost"}, str(half_way)
        assert half_way.events == len(asked) < 1_000
        model.control(latency_ms=0)
        crew.add()
        await stage.until_progress(1_000, 60)
        assert crew.stop() == [Exit.OK]
        texts = model.stats(texts=True)["texts"]
        assert max(count for text, count in texts.items() if text.startswith("please cancel")) == 1
    await all_labelled(stage, 1_000)


async def test_a_second_signal_ends_at_once_and_loses_nothing(bootstrap, tmp_path):
    """While the first SIGTERM waits for a model that hangs, the second one kills; the heir does the rest, and nothing is doubled."""
    stage = await set_stage(bootstrap, tmp_path, 3)
    await stage.send(tickets(600, keys=50))
    with (
        FakeModel("--latency-ms", "20") as model,
        Crew(stage, worker_settings(stage, model.base_url, **PACE, stop_seconds=60), 1) as crew,
    ):
        (worker,) = crew.everybody
        await stage.until_progress(100, 60)
        model.control(mode="hang")
        await until(lambda: model.stats()["in_flight"] >= 2, 10)
        worker.process.send_signal(signal.SIGTERM)
        await until(lambda: worker.lines("stopping"), 10)
        started = time.monotonic()
        assert worker.stop() == -signal.SIGTERM
        assert time.monotonic() - started < 5
        assert set((await stage.judge()).findings) == {"lost"}
        model.control(mode="ok")
        crew.add()
        await stage.until_progress(600, 60)
        assert crew.stop() == [Exit.OK]
    await all_labelled(stage, 600)


async def test_a_stop_keeps_its_deadline_though_the_model_hangs(bootstrap, tmp_path):
    """What is settled is committed, what hangs is left to the heir, and the exit code is 0."""
    stage = await set_stage(bootstrap, tmp_path, 3)
    await stage.send(tickets(600, keys=50))
    with (
        FakeModel("--latency-ms", "20") as model,
        Crew(stage, worker_settings(stage, model.base_url, **PACE, stop_seconds=3), 1) as crew,
    ):
        await stage.until_progress(100, 60)
        model.control(mode="hang")
        await until(lambda: model.stats()["in_flight"] >= 2, 10)
        started = time.monotonic()
        assert crew.stop() == [Exit.OK]
        assert time.monotonic() - started < 3 + 10
        half_way = await stage.judge()
        assert set(half_way.findings) == {"lost"}, str(half_way)
        model.control(mode="ok")
        crew.add()
        await stage.until_progress(600, 60)
    await all_labelled(stage, 600)
