"""A worker in memory with a topic for controls, and an operator beside it."""

import asyncio
import contextlib
from pathlib import Path

import orjson

from schemas.control import EVERY_TASK
from schemas.task import Task
from tests.fakes.scripted_model import ScriptedModel
from tests.helpers import until
from topics.memory import MemoryCluster
from workers.commands.control import Change
from workers.controlling.desk import Desk
from workers.controlling.topics import ControlTopics
from workers.lifecycle import Worker, run_worker
from workers.settings import load_settings
from workers.taskfiles import LoadedTask

OUTPUTS = ("labelled", "escalated", "dead")
TOPICS = ControlTopics.of("controls")


def task_of(name="tickets", **parts):
    return Task.model_validate(
        {
            "name": name,
            "source": {"topic": f"{name}.in", "text": "body", "id": "id", **parts},
            "instructions": "Label the tickets.",
            "fields": {"intent": {"kind": "label", "labels": {"cancel": "wants to cancel", "track": "asks where it is"}}},
            "thresholds": {"bands": ["high"]},
            "routes": {topic: topic for topic in OUTPUTS},
        }
    )


class ControlHouse:
    """Workers that follow controls closely; `flags` are settings."""

    def __init__(self, *tasks, model=None, **flags):
        self.tasks = tasks or (task_of(),)
        self.cluster = MemoryCluster()
        for topic in (*TOPICS, *OUTPUTS, *(task.source.topic for task in self.tasks)):
            self.cluster.create(topic, 1 if topic in TOPICS else 2)
        self.model = model or ScriptedModel()
        quick = {"delivery.commit_seconds": 0.01, "batching.linger_seconds": 0.01, "health.port": "off"}
        self.settings = load_settings({"controls.topic": "controls", **quick, **flags})
        self.sent = 0

    def worker(self):
        loaded = [LoadedTask(task, Path("task.yaml"), None, None, None, None, {}) for task in self.tasks]
        return Worker(self.settings, loaded, self.cluster.log(), self.model, "test", 1.0, look_seconds=0.01)

    @contextlib.asynccontextmanager
    async def working(self):
        stop, started = asyncio.Event(), asyncio.Event()
        running = asyncio.ensure_future(run_worker(self.worker(), stop, lambda _port: started.set()))
        try:
            await asyncio.wait([running, asyncio.ensure_future(started.wait())], return_when=asyncio.FIRST_COMPLETED)
            yield
        finally:
            stop.set()
            await asyncio.wait_for(running, 10)

    def desk(self):
        return Desk(self.cluster.log(), TOPICS, "operator")

    async def change(self, task=EVERY_TASK, seconds=5.0, **parts):
        """Change a control as the command does; return it and how far it came."""
        desk, loop = self.desk(), asyncio.get_running_loop()
        control = await desk.change(task, Change(task, parts, "anna", "so").altered)
        return control, await desk.settled(control, loop.time, seconds, lambda _progress: None)

    def send(self, count, task="tickets", **fields):
        for _ in range(count):
            self.sent += 1
            value = {"body": f"text {self.sent}", "id": str(self.sent), **fields}
            self.cluster.produce(f"{task}.in", b"%d" % self.sent, orjson.dumps(value))

    def events(self):
        return [orjson.loads(record.value) for topic in OUTPUTS for record in self.cluster.read(topic)]

    def done(self):
        return len(self.events())

    async def settled(self):
        await until(lambda: self.done() >= self.sent)
