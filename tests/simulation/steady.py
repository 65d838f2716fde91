"""A worker in virtual time under messages that come by chance, so many a second on average."""

import asyncio
import random
from dataclasses import dataclass
from pathlib import Path

import orjson

from schemas.task import Task
from tests.helpers import until
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
        "name": "steady",
        "source": {"topic": "in", "text": "body", "id": "id"},
        "instructions": "Label.",
        "fields": {"intent": {"kind": "label", "labels": {"a": "", "b": ""}}},
        "routes": {"labelled": "labelled", "escalated": "escalated", "dead": "dead"},
    }
)


@dataclass
class Run:
    """What came of it, in the order sent: the seconds from each record to its event, and its event. `calls` are texts."""

    seconds: list[float]
    events: list[dict]
    calls: list[list[str]]
    metrics: Metrics

    def percentile(self, share):
        return sorted(self.seconds)[min(len(self.seconds) - 1, int(share * len(self.seconds)))]

    def sample(self, name, **labels):
        return self.metrics.registry.get_sample_value(name, {"task": TASK.name, **labels}) or 0.0


async def steady(model, seed, per_second, messages, partitions, flags=None, task=TASK):
    """Send the messages, so many or with these texts, wait for all labelled events, and stop."""
    texts = [f"text {number}" for number in range(messages)] if isinstance(messages, int) else messages
    clock, chance = asyncio.get_running_loop().time, random.Random(seed)
    cluster = MemoryCluster(now_ms=lambda: int(clock() * 1000))
    cluster.create("in", partitions)
    for topic in task.routes.topics():
        cluster.create(topic, 1)
    settings, metrics = load_settings(flags or {}), Metrics("steady")
    watch = Watch(metrics, [task.name], None, Readiness())
    route = await open_route(model, task, dialect_of(settings.model), Wishes("chat", "off"), chance.randrange)
    line = build_line(LoadedTask(task, Path("task.yaml"), None, None, None, None, {}), route, settings, "memory/1", clock)
    source = build_source(cluster.log(), [task], settings, watch, clock)
    stop = asyncio.Event()
    pipeline = Pipeline(source, {"in": line}, watch, Clocks(clock, clock, chance.random))
    running = asyncio.ensure_future(pipeline.run(stop, 5.0))
    sent = {}
    for number, text in enumerate(texts):
        await asyncio.sleep(chance.expovariate(per_second))
        sent[f"m{number}"] = clock()
        value = orjson.dumps({"body": text, "id": f"m{number}"})
        cluster.produce("in", b"%d" % number, value, timestamp_ms=int(clock() * 1000))
    await until(lambda: len(cluster.read("labelled")) == len(texts), 60, every_seconds=0.1)
    stop.set()
    await running
    records = {orjson.loads(record.value)["message"]["id"]: record for record in cluster.read("labelled")}
    seconds = [records[name].timestamp_ms / 1000 - at for name, at in sent.items()]
    events = [orjson.loads(records[name].value) for name in sent]
    return Run(seconds, events, model.texts[1:], metrics)
