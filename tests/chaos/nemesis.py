"""Acts the faults out on the brokers, the workers and the model of a run."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewPartitions
from aiokafka.client import CoordinationType
from aiokafka.errors import KafkaError

from tests.broker.stage import Stage, admin_of
from tests.broker.workers_under_test import STOP_SECONDS, Crew, Worker
from tests.chaos.schedule import BROKER_WIRES, MODEL_WIRES, Fault, Kind
from tests.chaos.toxiproxy import Toxiproxy
from tests.fakes.model_process import FakeModel
from tests.helpers import until, until_true
from topics.embedded import EmbeddedKafka
from topics.embedded.node import Node
from topics.lane_facts import transactional_id

MODEL_WIRE = "model"
_ANSWER_SECONDS, _TRY_SECONDS = 60.0, 4.0
MODEL_MODES: dict[Kind, dict[str, Any]] = {
    Kind.MODEL_429: {"mode": "429", "probability": 0.7},
    Kind.MODEL_429_WITH_HEADER: {"mode": "429", "probability": 0.7, "retry_after": 1},
    Kind.MODEL_500: {"mode": "500", "probability": 0.7},
    Kind.MODEL_HANG: {"mode": "hang", "probability": 0.1},
    Kind.MODEL_DRIP: {"mode": "drip", "probability": 0.1},
    Kind.MODEL_TRUNCATED: {"mode": "truncated", "probability": 0.5},
    Kind.MODEL_CUT_BODY: {"mode": "cut_body", "probability": 0.5},
    Kind.MODEL_MISSING: {"mode": "missing", "probability": 0.5},
    Kind.MODEL_DOUBLED: {"mode": "doubled", "probability": 0.5},
    Kind.MODEL_ALIEN: {"mode": "alien", "probability": 0.5},
    Kind.MODEL_SWAPPED: {"mode": "swapped", "probability": 0.5},
    Kind.MODEL_REFUSAL: {"mode": "refusal", "probability": 0.2},
    Kind.MODEL_HTML: {"mode": "html", "probability": 0.5},
    Kind.MODEL_ERROR_BODY: {"mode": "error_body", "probability": 0.5},
    Kind.MODEL_RESET: {"mode": "reset", "probability": 0.5},
}


@dataclass(frozen=True, slots=True)
class Applied:
    """A fault that happened, from and to which second of the run, and to whom."""

    kind: Kind
    began: float
    ended: float
    whom: str


@dataclass(slots=True)
class Nemesis:
    """Faults of different lanes may be acted out at the same time, those of one lane not."""

    kafka: EmbeddedKafka
    stage: Stage
    model: FakeModel
    crew: Crew
    clock: Callable[[], float]
    proxy: Toxiproxy | None
    applied: list[Applied] = field(default_factory=list)
    under_way: set[Kind] = field(default_factory=set)
    killed: set[Worker] = field(default_factory=set)

    async def act(self, fault: Fault) -> None:
        """Return when the fault is over and what it broke stands again, if it stands again by our hand."""
        began = self.clock()
        self.under_way.add(fault.kind)
        whom = await self._act(fault)
        self.under_way.discard(fault.kind)
        self.applied.append(Applied(fault.kind, began, self.clock(), whom))

    async def _act(self, fault: Fault) -> str:
        match fault.kind:
            case Kind.WORKER_KILL:
                return await self._kill_worker(fault)
            case Kind.WORKER_FREEZE:
                return await self._freeze(fault)
            case Kind.WORKER_LEAVE:
                victim = self._victim(fault)
                self.crew.add()
                await self._leave(victim)
                return victim.name
            case Kind.JOIN_STORM:
                return await self._storm(fault)
            case Kind.BROKER_KILL:
                return await self._kill_broker(self.kafka.nodes[fault.pick % len(self.kafka.nodes)], fault.seconds)
            case Kind.GROUP_COORDINATOR_KILL:
                return await self._kill_broker(await self._coordinator(CoordinationType.GROUP, self.stage.group), fault.seconds)
            case Kind.TRANSACTION_COORDINATOR_KILL:
                places = self.stage.places()
                name = transactional_id("nanotriage", self.stage.group, places[fault.pick % len(places)])
                return await self._kill_broker(await self._coordinator(CoordinationType.TRANSACTION, name), fault.seconds)
            case Kind.ROLLING_RESTART:
                return await self._roll()
            case Kind.PARTITION_ADDED:
                return await self._add_partition()
            case kind if kind in BROKER_WIRES:
                return await self._spoil_wire(fault, broker_wire(fault.pick % len(self.kafka.nodes) + 1))
            case kind if kind in MODEL_WIRES:
                return await self._spoil_wire(fault, MODEL_WIRE)
            case _:
                return await self._spoil_model(fault)

    async def until_in_sync(self, seconds: float = 60.0) -> None:
        """Wait until every partition of every topic has all its replicas in sync: only then may another broker fall."""
        await until_true(self._in_sync, seconds)

    async def _kill_worker(self, fault: Fault) -> str:
        victim = self._victim(fault)
        self.killed.add(victim)
        await asyncio.to_thread(victim.kill)
        await asyncio.sleep(fault.seconds)
        self.crew.add()
        return victim.name

    async def _freeze(self, fault: Fault) -> str:
        victim = self._victim(fault)
        victim.hold()
        try:
            await asyncio.sleep(fault.seconds)
        finally:
            victim.release()
        return victim.name

    async def _storm(self, fault: Fault) -> str:
        guests = [self.crew.add(), self.crew.add()]
        await asyncio.sleep(fault.seconds)
        await asyncio.gather(*[self._leave(guest) for guest in guests])
        return ", ".join(guest.name for guest in guests)

    async def _leave(self, worker: Worker) -> None:
        await until(lambda: worker.lines("started") or not worker.running, STOP_SECONDS, 0.2)
        if worker.running:  # else it ended by itself, which is told at the end
            await asyncio.to_thread(worker.stop, STOP_SECONDS)

    def _victim(self, fault: Fault) -> Worker:
        running = self.crew.running
        return running[fault.pick % len(running)]

    async def _kill_broker(self, node: Node, down_seconds: float) -> str:
        await asyncio.to_thread(node.kill)
        await asyncio.sleep(down_seconds)
        await asyncio.to_thread(node.start)
        await self.until_in_sync()
        return f"broker {node.state.node_id}"

    async def _roll(self) -> str:
        for node in self.kafka.nodes:
            await asyncio.to_thread(node.stop)
            await asyncio.to_thread(node.start)
            await self.until_in_sync()
        return "all brokers"

    async def _coordinator(self, kind: CoordinationType, name: str) -> Node:
        found = -1

        async def look_up() -> bool:
            nonlocal found
            async with _one_try(self.stage.bootstrap) as admin:
                found = await admin._client.coordinator_lookup(kind, name)
            return found >= 0

        await until_true(look_up, _ANSWER_SECONDS)
        return self.kafka.node(found)

    async def _in_sync(self) -> bool:
        size = len(self.kafka.nodes)
        async with _one_try(self.stage.bootstrap) as admin:
            described = await admin.describe_topics()
            return all(len(part["isr"]) == size and part["leader"] >= 0 for topic in described for part in topic["partitions"])
        return False

    async def _add_partition(self) -> str:
        count = self.stage.partitions + 1

        async def add() -> bool:
            async with _one_try(self.stage.bootstrap) as admin:
                await admin.create_partitions({self.stage.source: NewPartitions(count)})
                described = await admin.describe_topics([self.stage.source])
                return len(described[0]["partitions"]) == count
            return False

        await until_true(add, _ANSWER_SECONDS)
        self.stage = replace(self.stage, partitions=count)
        return f"{count} partitions now"

    async def _spoil_model(self, fault: Fault) -> str:
        wanted = MODEL_MODES[fault.kind]
        await asyncio.to_thread(self.model.control, **wanted)
        try:
            await asyncio.sleep(fault.seconds)
        finally:
            await asyncio.to_thread(self.model.control, mode="ok")
        return f"{wanted['probability']:.0%} of calls"

    async def _spoil_wire(self, fault: Fault, name: str) -> str:
        proxy = self.proxy
        if proxy is None:
            raise RuntimeError(f"{fault.kind} needs a proxy")
        match fault.kind:
            case Kind.BROKER_WIRE_SLOW | Kind.MODEL_WIRE_SLOW:
                await asyncio.to_thread(proxy.poison, name, "latency", latency=150, jitter=100)
            case Kind.BROKER_WIRE_RESET | Kind.MODEL_WIRE_RESET:
                await asyncio.to_thread(proxy.poison, name, "reset_peer", timeout=20)
            case _:
                await asyncio.to_thread(proxy.cut, name)
        try:
            await asyncio.sleep(fault.seconds)
        finally:
            await asyncio.to_thread(proxy.heal, name)
        return name


def broker_wire(node_id: int) -> str:
    return f"broker-{node_id}"


@asynccontextmanager
async def _one_try(bootstrap: str) -> AsyncIterator[AIOKafkaAdminClient]:
    """An admin client for the block, which is left when it fails or takes long: brokers are down, and metadata old."""
    with suppress(KafkaError, OSError, TimeoutError):
        async with asyncio.timeout(_TRY_SECONDS), admin_of(bootstrap) as admin:
            yield admin
