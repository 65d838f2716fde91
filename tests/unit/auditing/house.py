"""A worker with a promise and its audits, on a cluster in memory; an auditor who knows what is right."""

import asyncio
from contextlib import asynccontextmanager
from pathlib import Path

import orjson

from schemas.calibration import Calibration
from schemas.task import Task
from schemas.verdict import SignalKind
from tests.calibrations import calibration_of
from tests.fakes.scripted_model import ScriptedModel
from tests.helpers import until
from topics.memory import MemoryCluster
from workers.asking.route import Wishes, open_route
from workers.lifecycle import Worker, run_worker
from workers.promising.shift import sketch_of
from workers.settings import load_settings
from workers.taskfiles import LoadedTask
from workers.wiring.lines import bound_by
from workers.wiring.model import dialect_of, secure_draw

TASK = Task.model_validate(
    {
        "name": "tickets",
        "source": {"topic": "in", "text": "body", "id": "id"},
        "instructions": "Label the tickets.",
        "fields": {"intent": {"kind": "label", "labels": {"cancel": "wants to cancel", "track": "asks where it is"}}},
        "promise": {"error": 0.05},
        "routes": {"labelled": "labelled", "escalated": "escalated", "dead": "dead", "audit": "audit", "findings": "findings"},
    }
)
LOADED = LoadedTask(TASK, Path("task.yaml"), None, None, None, None, {})


def truth(text: str) -> str:
    return "cancel" if "cancel" in text else "track"


def well(text: str) -> dict[str, str]:
    """Answer rightly; every eighth time it is less sure."""
    return {"intent": "A" if truth(text) == "cancel" else "B", "sure": "medium" if text.endswith("7") else "high"}


def badly(text: str) -> dict[str, str]:
    """Answer the same way whatever is asked, as sure as before."""
    return {**well(text), "intent": "A"}


class AuditHouse:
    """Its model may be exchanged between two messages; `flags` are settings."""

    def __init__(self, **flags):
        self.cluster = MemoryCluster()
        self.cluster.create("in", 2)
        for topic in ("labelled", "escalated", "dead", "audit"):
            self.cluster.create(topic, 2)
        self.cluster.create("findings", 1)
        self.model = ScriptedModel(well)
        self.settings = load_settings(
            {
                "health.port": "off",
                "delivery.commit_seconds": 0.01,
                "batching.linger_seconds": 0.01,
                "audit.share": 0.3,
                **flags,
            }
        )
        self.sent = 0

    async def calibration(self, loaded: LoadedTask = LOADED) -> Calibration:
        """Return one that accepts what the model is highly sure of, as it was for seven in eight."""
        route = await open_route(self.model, loaded.task, dialect_of(self.settings.model), Wishes(logprobs="off"), secure_draw)
        made = calibration_of(
            loaded.task, **bound_by(loaded, route, self.settings).model_dump(exclude={"task", "rules", "promise"})
        )
        assert made.bound.signal is SignalKind.BAND
        scores = sketch_of([0.9] * 350 + [0.6] * 50)
        return made.model_copy(update={"answered_by": ("scripted",), "scores": scores})

    @asynccontextmanager
    async def working(self, calibration: Calibration | None = None):
        made = calibration or await self.calibration()
        settings = self.settings
        worker = Worker(settings, [LOADED], self.cluster.log(), self.model, "test", 5.0, {TASK.name: made}, look_seconds=0.01)
        stop, started = asyncio.Event(), asyncio.Event()
        running = asyncio.ensure_future(run_worker(worker, stop, lambda _port: started.set()))
        try:
            await asyncio.wait([running, asyncio.ensure_future(started.wait())], return_when=asyncio.FIRST_COMPLETED)
            yield
        finally:
            stop.set()
            await asyncio.wait_for(running, 10)

    def send(self, count: int) -> None:
        for number in range(self.sent, self.sent + count):
            text = f"please cancel {number}" if number % 2 else f"where is {number}"
            self.cluster.produce("in", b"%d" % number, orjson.dumps({"body": text, "id": str(number)}))
        self.sent += count

    def values(self, topic: str) -> list[dict]:
        return [orjson.loads(record.value) for record in self.cluster.read(topic)]

    async def settled(self) -> None:
        """Wait until everything sent has its event."""
        await until(lambda: sum(len(self.cluster.read(t)) for t in ("labelled", "escalated", "dead")) >= self.sent)

    def audit(self) -> int:
        """Find out about every message that was put up; return how many findings there are now."""
        done = {value["claim"]["id"] for value in self.values("findings") if "claim" in value}
        for value in self.values("audit"):
            if value["claim"]["id"] not in done:
                finding = value | {"labels": {"intent": truth(value["text"])}}
                self.cluster.produce("findings", None, orjson.dumps(finding))
        return len(self.values("findings"))
