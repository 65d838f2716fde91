"""One simulated run: real pipelines, sources and lanes on a cluster in memory, faults by seed, judged from the topics."""

import asyncio
import contextlib
import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import orjson

from schemas.control import EVERY_TASK, FleetControl, TaskControl
from schemas.task import Task
from tests.checker import Promise, judge
from tests.fakes.scripted_model import ScriptedModel
from tests.helpers import until
from tests.simulation import upstream
from tests.simulation.mortal import Life, MortalLog
from topics.errors import LogUnavailable
from topics.memory import Delays, MemoryCluster
from workers.asking.model import Broken, Refused, TooBig, TryAgain
from workers.asking.route import Wishes, open_route
from workers.auditing.choosing import Choice
from workers.clocks import Clocks
from workers.controlling.topics import ControlTopics
from workers.health import Readiness
from workers.metrics import Metrics
from workers.patience import Patience
from workers.pipeline import Pipeline
from workers.settings import load_settings
from workers.taskfiles import LoadedTask
from workers.watch import Watch
from workers.wiring.controls import build_controls
from workers.wiring.kafka import build_source
from workers.wiring.lines import Shared, build_line, build_slots
from workers.wiring.model import build_limiter, dialect_of

TASK = Task.model_validate(
    {
        "name": "simulated",
        "source": {"topic": "in", "text": "body", "id": "id"},
        "instructions": "Label.",
        "fields": {"intent": {"kind": "label", "labels": {"a": "", "b": ""}}},
        "routes": {"labelled": "labelled", "escalated": "escalated", "dead": "dead", "audit": "audit", "findings": "findings"},
    }
)
OUTPUTS = ("labelled", "escalated", "dead")
AUDITED = 0.3
GROUP = "nanotriage"


class Process:
    """A worker that can be killed or frozen."""

    def __init__(self, world):
        self.world = world
        self.life = Life()
        self.log = MortalLog(world.cluster.log(), self.life)
        self.stop = asyncio.Event()
        self.task = asyncio.ensure_future(self._run())

    async def _run(self):
        """Start again, as any supervisor would, when the cluster was not there."""
        while not self.stop.is_set():
            try:
                await self._work()
            except LogUnavailable:
                await asyncio.sleep(1)
            else:
                return

    async def _work(self):
        world, clock = self.world, asyncio.get_running_loop().time
        model = world.model(self.life)
        route = await open_route(model, TASK, dialect_of(world.settings.model), Wishes("chat", "off"), world.rng.randrange)
        watch = Watch(Metrics("simulation"), [TASK.name], None, Readiness())
        loaded = LoadedTask(TASK, Path("task.yaml"), None, None, None, None, {})
        patience = world.patience
        limiter = build_limiter(world.settings, clock, world.rng.random, patience)
        shared = Shared(limiter, build_slots(world.settings, [TASK]))
        line = replace(build_line(loaded, route, world.settings, "memory/1", clock, shared), patience=patience)
        source = world.source(self.log, watch, clock)
        self.pipeline = Pipeline(source, {"in": line}, watch, Clocks(clock, clock, world.rng.random, poll_seconds=1.0))
        controls = build_controls(self.log, [line], world.settings, watch, clock, look_seconds=0.5)
        if controls is None:
            await self.pipeline.run(self.stop, 20.0)
            return
        await controls.catch_up()
        following = asyncio.ensure_future(controls.follow(watch.controls.troubled, self.pipeline.polled))
        try:
            await self.pipeline.run(self.stop, 20.0)
            assert not following.done(), following.result()
        finally:
            following.cancel()

    def kill(self):
        """Like kill -9: nothing it does has an effect any more, and the group notices later."""
        self.life.kill()
        self._expel()

    def freeze(self):
        """Like SIGSTOP beyond the session timeout: the group gives its partitions away and it does not know."""
        self.life.freeze()
        self._expel()

    async def thaw(self):
        """Like SIGCONT: it goes on where it was, still believing, until it hears of the rebalance."""
        self.life.thaw()
        await asyncio.sleep(self.world.rng.random() * 3)
        for intake in self.log.intakes:
            await intake.rejoin()

    async def end(self):
        self.stop.set()
        await asyncio.wait({self.task}, timeout=60)
        self.task.cancel()
        await asyncio.wait({self.task})
        if not self.task.cancelled() and (error := self.task.exception()) is not None and not self.life.dead:
            raise error

    def _expel(self):
        for intake in self.log.intakes:
            self.world.cluster.expel(intake)


class SimulatedModel(ScriptedModel):
    """Takes its time and fails by chance; lives and dies with its process."""

    def __init__(self, rng, life):
        super().__init__()
        self._rng, self._life, self._calls = rng, life, 0

    async def ask(self, question):
        self._calls += 1
        if self._calls > 1:  # the harmless question at the start is answered well
            self.script = [self._fault()] if self._rng.random() < 0.3 else []
        await asyncio.sleep(self._rng.expovariate(2.0))
        await self._life.lives()
        result = await super().ask(question)
        await self._life.lives()
        return result

    def _fault(self):
        return self._rng.choice(
            [
                TryAgain("busy", self._rng.choice([None, 0.5])),
                TryAgain("down"),
                lambda items: items[1:],
                lambda items: [*items, items[0]],
                lambda items: [{**items[0], "ref": "zzzz"}, *items[1:]],
                lambda _: "<html>",
                lambda items: items[::-1],
                *([TooBig("context")] if self._rng.random() < 0.2 else []),
                *([Broken("no choice")] if self._rng.random() < 0.2 else []),
                *([Refused("content")] if self._rng.random() < 0.2 else []),
            ]
        )


class World:
    """A cluster, some processes, and what befalls them. `mode` is delivery.mode."""

    outputs = OUTPUTS
    patience = Patience(0.1, 2.0)

    def __init__(self, seed, mode="exactly_once"):
        self.rng = random.Random(seed)
        self.promise = Promise(mode)
        self.late = False
        self.cluster = MemoryCluster(delays=self.delays())
        self.partitions = self.rng.randint(1, 4)
        self.cluster.create("in", self.partitions)
        for topic in OUTPUTS:
            self.cluster.create(topic, self.rng.randint(1, 3))
        self.cluster.create("audit", 2)
        for topic in ControlTopics.of("control"):
            self.cluster.create(topic, 1)
        self.controls = 0
        self.settings = load_settings(
            {
                "delivery.mode": mode,
                "audit.share": AUDITED,
                "controls.topic": "control",
                "delivery.order": self.rng.choice(["key", "key", "partition", "none"]),
                "delivery.commit_seconds": self.rng.choice([0.05, 0.2, 1.0]),
                "batching.max_items": self.rng.choice([1, 4, 16]),
                "model.concurrency": self.rng.choice([1, 3, 8]),
            }
        )
        self.processes = []
        self.written = self.sent = 0
        self.lags = False

    def delays(self):
        """Some worlds are quick, some slow; now and then something takes much longer than usual."""

        def drawn(often, rarely):
            return lambda: self.rng.random() * (rarely if self.rng.random() < 0.02 else often)

        self.stormy = self.rng.random() < 0.3
        slow = self.slow = 0.1 if self.stormy else self.rng.choice([0.0, 0.01, 0.1])
        return Delays(drawn(slow, 20 * slow), drawn(slow, 50 * slow), drawn(slow, 50 * slow), self.rng.choice([5.0, 40.0]))

    def model(self, life):
        return SimulatedModel(self.rng, life)

    def source(self, log, watch, clock):
        return build_source(log, [TASK], self.settings, watch, clock)

    async def run(self):
        """Live through the faults, come to rest, and return the checker's verdict."""
        self.processes = [Process(self) for _ in range(self.rng.randint(1, 3))]
        frozen = []
        for _ in range(self.rng.randint(4, 12)):
            self.produce(self.rng.randint(0, 25))
            await asyncio.sleep(self.rng.random() * 2)
            await self.befall(frozen)
        self.cluster.down = False
        self.cluster.changes.tell()
        if self.controls:
            for key in (EVERY_TASK, TASK.name):
                self.publish(key)
        for process in frozen:
            await process.thaw()
        if not any(not p.life.dead for p in self.processes):
            self.processes.append(Process(self))
        await self.rest()
        for process in self.processes:
            await process.end()
        await asyncio.sleep(60)  # for what is late, and for offsets not yet taken over
        return self.verdict()

    async def befall(self, frozen):
        running = [p for p in self.processes if not p.life.dead and p not in frozen]
        chance = self.rng.random()
        if self.stormy:
            self.lose_ends(6)
        if chance < 0.2 and running:
            self.rng.choice(running).kill()
            self.processes.append(Process(self))
        elif chance < 0.35 and running:
            process = self.rng.choice(running)
            process.freeze()
            frozen.append(process)
        elif chance < 0.5 and frozen:
            await frozen.pop(0).thaw()
        elif chance < 0.7:
            self.lose_ends(self.rng.randint(1, 3))
        elif chance < 0.78:
            self.cluster.down = True
            await asyncio.sleep(self.rng.random() * 20)
            self.cluster.down = False
            self.cluster.changes.tell()
        elif chance < 0.84:
            self.processes.append(Process(self))
        elif chance < 0.88 and self.partitions < 6:
            self.partitions += 1
            self.cluster.create("in", self.partitions)
        elif chance < 0.95:
            self.control()

    def control(self):
        """Pause or resume a task or all, and change more, which may be refused; now and then something unreadable comes before."""
        key, paused = self.rng.choice([EVERY_TASK, TASK.name]), self.rng.random() < 0.5
        shape = {"max_items": self.rng.choice([None, 1, 2]), "linger_seconds": self.rng.choice([None, 0, 1])}
        labels = self.rng.choice(["publish", "escalate"])
        if self.rng.random() < 0.3:
            self.cluster.produce("control", key.encode(), b"neither JSON nor a control")
        self.publish(key, paused=paused, **({} if key == EVERY_TASK else {"batching": shape, "labels": labels}))

    def publish(self, key, **wanted):
        self.controls += 1
        said = {"version": self.controls, "by": "op", "because": "so", **wanted}
        made = FleetControl(**said) if key == EVERY_TASK else TaskControl(**said, task=key)
        self.cluster.produce("control", key.encode(), made.model_dump_json().encode())

    def lose_ends(self, count):
        """Lose the answers of so many EndTxn, and let some arrive late, or twice: then perhaps within the next transaction."""
        for _ in range(count):
            next_commit = self.settings.delivery.commit_seconds + 4 * self.slow
            late = self.rng.choice([None, self.rng.random() * 2 * next_commit, self.rng.random() * 3])
            if self.promise is Promise.AT_LEAST_ONCE and not self.stormy:
                late = None
            self.late = self.late or late is not None
            self.cluster.lose_next_commit(applied=self.rng.random() < 0.5, late_seconds=late)

    def produce(self, count):
        rows = []
        for number in range(self.written, self.written + count):
            key = self.rng.choice([None, b"a", b"b", b"c", b"d"])
            bad = self.rng.random() < 0.05
            rows.append((key, b"\xff" if bad else orjson.dumps({"body": f"text {number}", "id": f"m{number}"})))
        self.written += count
        self.sent += upstream.write(self.cluster, rows, self.rng)

    async def rest(self):
        """Wait for an event of every input, and for no lag, ten minutes of virtual time each: what is missing then is lost."""
        with contextlib.suppress(TimeoutError):
            await until(self.complete, 600, every_seconds=1.0)
            await until(lambda: not upstream.lags(self.cluster, GROUP), 600, every_seconds=1.0)
        self.lags = upstream.lags(self.cluster, GROUP)

    def complete(self):
        if sum(len(self.cluster.read(topic)) for topic in OUTPUTS) < self.sent:
            return False
        return self.promise is Promise.EXACTLY_ONCE or not self.verdict().lost.count

    def verdict(self):
        outputs = [record for topic in OUTPUTS for record in self.cluster.read(topic)]
        partitions = self.cluster.partitions("in")
        committed = {p: self.cluster.committed(GROUP, p) for p in partitions}
        order = self.settings.delivery.order
        return judge(self.cluster.read("in"), outputs, committed, identify=identify, promise=self.promise, order=order)

    def misaudited(self):
        """Return the ids of labelled events that were chosen and have no audit copy, or a copy that is another's or doubled."""
        choice = Choice(AUDITED, b"")
        chosen = Counter(each for each in ids(self.cluster.read("labelled")) if choice.chooses(each))
        put_up = Counter(each.removesuffix("/audit") for each in ids(self.cluster.read("audit")))
        return sorted(each for each in chosen | put_up if chosen[each] != put_up[each])

    @property
    def in_doubt(self):
        """How many records were in commits that nobody heard the end of: at least once, so many may be there again."""
        return sum(process.life.in_doubt for process in self.processes)


def ids(records):
    return [dict(record.headers)["ce_id"].decode() for record in records]


def identify(record):
    try:
        return orjson.loads(record.value)["id"]
    except orjson.JSONDecodeError:
        return f"{record.partition.topic}/{record.partition.number}/{record.offset}"
