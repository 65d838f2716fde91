"""At low load nobody waits for company, for a cadence or for a poll: an event comes little after the model's answer."""

import asyncio
import random
from dataclasses import dataclass
from pathlib import Path

import orjson
import pytest

from schemas.task import Task
from tests.fakes.scripted_model import ScriptedModel
from tests.helpers import until
from tests.simulation.virtual import run_virtually
from topics.memory import MemoryCluster
from workers.asking.route import Wishes, open_route
from workers.clocks import Clocks
from workers.health import Readiness
from workers.metrics import Metrics
from workers.pipeline import Pipeline
from workers.settings import load_settings
from workers.taskfiles import LoadedTask
from workers.watch import Watch
from workers.wiring.kafka import build_source
from workers.wiring.lines import build_line
from workers.wiring.model import dialect_of

TASK = Task.model_validate(
    {
        "name": "quiet",
        "source": {"topic": "in", "text": "body", "id": "id"},
        "instructions": "Label.",
        "fields": {"intent": {"kind": "label", "labels": {"a": "", "b": ""}}},
        "routes": {"labelled": "labelled", "escalated": "escalated", "dead": "dead"},
    }
)
MODEL_SECONDS = 0.3


class SlowModel(ScriptedModel):
    """Takes 300 ms for a call of any size."""

    async def ask(self, question):
        await asyncio.sleep(MODEL_SECONDS)
        return await super().ask(question)


@dataclass
class Run:
    """What came of it: the seconds from each record to its event, sorted, and the messages of each call."""

    seconds: list[float]
    calls: list[list[str]]

    def percentile(self, share):
        return self.seconds[min(len(self.seconds) - 1, int(share * len(self.seconds)))]


async def quiet_hour(seed, per_second, messages, partitions):
    """Let messages come by chance, so many a second on average, on default settings."""
    clock, chance = asyncio.get_running_loop().time, random.Random(seed)
    cluster = MemoryCluster(now_ms=lambda: int(clock() * 1000))
    cluster.create("in", partitions)
    for topic in TASK.routes.topics():
        cluster.create(topic, 1)
    settings, model = load_settings({}), SlowModel()
    watch = Watch(Metrics("quiet"), [TASK.name], None, Readiness())
    route = await open_route(model, TASK, dialect_of(settings.model), Wishes("chat", "off"), chance.randrange)
    line = build_line(LoadedTask(TASK, Path("task.yaml"), None, None, None, None, {}), route, settings, "memory/1", clock)
    source = build_source(cluster.log(), [TASK], settings, watch, clock)
    stop = asyncio.Event()
    pipeline = Pipeline(source, {"in": line}, watch, Clocks(clock, clock, chance.random))
    running = asyncio.ensure_future(pipeline.run(stop, 5.0))
    sent = {}
    for number in range(messages):
        await asyncio.sleep(chance.expovariate(per_second))
        sent[f"m{number}"] = clock()
        value = orjson.dumps({"body": f"text {number}", "id": f"m{number}"})
        cluster.produce("in", b"%d" % number, value, timestamp_ms=int(clock() * 1000))
    await until(lambda: len(cluster.read("labelled")) == messages, 60)
    stop.set()
    await running
    done = {orjson.loads(event.value)["message"]["id"]: event.timestamp_ms / 1000 for event in cluster.read("labelled")}
    return Run(sorted(done[name] - at for name, at in sent.items()), model.texts[1:])


@pytest.mark.parametrize("partitions", [1, 3])
def test_at_one_message_a_second_an_event_comes_within_150_ms_of_the_answer(partitions):
    """p99 over 2,000 messages that come by chance, several at once among them; nine of ten wait for nothing at all."""
    run = run_virtually(quiet_hour(7, 1.0, 2_000, partitions))
    assert run.percentile(0.99) <= MODEL_SECONDS + 0.15
    assert run.percentile(0.9) <= MODEL_SECONDS + 0.005


def test_at_a_higher_load_messages_share_calls_and_wait_little():
    """At 200 a second the eight slots are busy: batches fill by themselves, far beyond one message a call."""
    run = run_virtually(quiet_hour(8, 200.0, 4_000, 3))
    assert len(run.calls) <= 4_000 / 4
    assert run.percentile(0.99) <= 2 * MODEL_SECONDS + 0.4
