"""One chaos run: stage, workers, model, load, faults, rest, judgement."""

import asyncio
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path

from tests.broker.stage import set_stage, ticket
from tests.broker.workers_under_test import PRODUCT, Crew, worker_settings
from tests.chaos.nemesis import MODEL_WIRE, Applied, Nemesis, broker_wire
from tests.chaos.recovery import longest_standstill_seconds, recovery_seconds
from tests.chaos.schedule import BROKER_WIRES, LANES, MODEL_WIRES, WITHOUT_WIRES, Fault, Kind, LaneOfFaults, lane_of, schedule
from tests.chaos.toxiproxy import NoToxiproxyError, Toxiproxy, binary
from tests.chaos.traffic import KEYS, Load, Sampler, Tail, offset_and_digest, slim
from tests.checker import Verdict, judge
from tests.fakes.model_process import FakeModel
from tests.helpers import until_true
from topics.embedded import EmbeddedKafka
from topics.embedded.configuration import Door
from topics.embedded.ports import free_ports
from topics.record import Partition, Record

WORKERS = 3
PARTITIONS = 6
CALLS, ITEMS = 4, 16  # in flight per worker, messages per call
COMMIT_SECONDS = 0.2
RECOVERY_SECONDS = 20.0
DRAIN_SECONDS = 90.0
BEGIN_SECONDS = 5.0
CALM_SECONDS = 25.0  # at the end of the load, without faults: recovery is measured there
NODES = 3
WORKER = {
    "model__timeout_seconds": 5,
    "model__concurrency": CALLS,
    "batching__max_items": ITEMS,
    "delivery__commit_seconds": COMMIT_SECONDS,
    "stop_seconds": 15,
    "guard__share": 0,  # what is asked again here is asked again because of a fault
}
BROKEN = "tests.broker.broken_worker"
Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """`messages` are sent evenly in `seconds`; the same seed makes the same schedule of faults."""

    seconds: float
    messages: int
    seed: int
    lanes: Sequence[LaneOfFaults] = LANES
    broken: str | None = None  # a rule of `tests.broker.broken_worker`

    @property
    def rate(self) -> float:
        return self.messages / self.seconds

    def faults(self) -> tuple[Fault, ...]:
        return schedule(self.seed, BEGIN_SECONDS, self.seconds - CALM_SECONDS, self.lanes)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run showed. `recoveries` has the seconds after each fault, None where full rate never came back."""

    plan: Plan
    seconds: float
    verdict: Verdict
    applied: Sequence[Applied]
    recoveries: Sequence[float | None]
    acknowledged: int
    acknowledged_and_missing: int
    aborted_records: int
    commits: int
    reasked: int
    reasked_most: int
    standstill_seconds: float
    ends: Sequence[str]  # of workers that ended as they should not
    skipped: str = ""  # why there were no faults of the wires

    @property
    def last_recovery(self) -> float | None:
        """Seconds from the end of the last fault to full rate."""
        by_end = sorted(zip(self.applied, self.recoveries, strict=True), key=lambda pair: pair[0].ended)
        return by_end[-1][1] if by_end else 0.0

    @property
    def complaints(self) -> list[str]:
        """Everything that is not as promised; empty for a run that kept every invariant."""
        found = [f"{finding.count} {name}: {'; '.join(finding.examples)}" for name, finding in self.verdict.findings.items()]
        if self.acknowledged_and_missing:
            found.append(f"{self.acknowledged_and_missing} acknowledged messages are not in the source topic")
        if self.reasked > self.reasked_most:
            found.append(f"{self.reasked} answered items were asked again, at most {self.reasked_most} may be")
        if self.last_recovery is None or self.last_recovery > RECOVERY_SECONDS:
            found.append(
                f"not back at full rate within {RECOVERY_SECONDS:g} s of the last fault: {seconds_or_never(self.last_recovery)}"
            )
        return found + list(self.ends)


def seconds_or_never(seconds: float | None) -> str:
    return "never" if seconds is None else f"{seconds:.1f} s"


async def play(plan: Plan, folder: Path, report: Report) -> Outcome:
    """Set the stage in the folder, run the plan to its end, and judge. Nothing is left running.

    Without a proxy the faults of the wires are left out, and the outcome says why.
    """
    try:
        program = await asyncio.to_thread(binary)
    except NoToxiproxyError as error:
        report(f"{len((*BROKER_WIRES, *MODEL_WIRES))} kinds of faults are skipped: {error}")
        return replace(await _play(replace(plan, lanes=WITHOUT_WIRES), folder, report, None), skipped=str(error))
    with Toxiproxy(program, folder / "toxiproxy.log") as proxy:
        return await _play(plan, folder, report, proxy)


async def _play(plan: Plan, folder: Path, report: Report, proxy: Toxiproxy | None) -> Outcome:
    ports = free_ports(2 * NODES + 1, seed=os.getpid() + 1)
    doors = {number + 1: Door(ports[2 * number], ports[2 * number + 1]) for number in range(NODES)}
    kafka = EmbeddedKafka(folder, nodes=NODES, name="chaos", doors=doors)
    try:
        await asyncio.to_thread(kafka.start, report)
        stage = await set_stage(kafka.bootstrap, folder, PARTITIONS, replicas=NODES)
        with FakeModel("--latency-ms", "20", "--jitter-ms", "60", "--codes", "hash", "--seed", str(plan.seed)) as model:
            brokers, model_url = kafka.bootstrap, model.base_url
            if proxy is not None:
                for number, door in doors.items():
                    proxy.add(broker_wire(number), door.advertised_port, door.port)
                proxy.add(MODEL_WIRE, ports[-1], model.port)
                brokers = ",".join(f"127.0.0.1:{door.advertised_port}" for door in doors.values())
                model_url = f"http://127.0.0.1:{ports[-1]}/v1"
            settings = worker_settings(stage, model_url, **WORKER, kafka__brokers=brokers)
            if plan.broken is not None:
                settings["BROKEN_RULE"] = plan.broken
            with Crew(stage, settings, WORKERS, module=PRODUCT if plan.broken is None else BROKEN) as crew:
                await stage.until_members(WORKERS)
                started = time.monotonic()
                nemesis = Nemesis(kafka, stage, model, crew, lambda: time.monotonic() - started, proxy)
                return await _Run(plan, nemesis, report).play()
    finally:
        await asyncio.to_thread(kafka.destroy)


class _Run:
    def __init__(self, plan: Plan, nemesis: Nemesis, report: Report) -> None:
        self._plan = plan
        self._nemesis = nemesis
        self._report = report
        self._load = Load(nemesis.stage, plan.rate, plan.messages)
        self._sampler = Sampler(lambda: nemesis.stage, self._load, nemesis.clock)

    async def play(self) -> Outcome:
        nemesis = self._nemesis
        async with Tail(nemesis.stage, slim) as tail, Tail(nemesis.stage, offset_and_digest) as second:
            async with asyncio.TaskGroup() as group:
                beside = [group.create_task(self._sampler.run()), group.create_task(self._tell())]
                await self._trouble()
                for task in beside:
                    task.cancel()
            ends = await asyncio.to_thread(self._stop)
            outputs, others = await tail.finish(), await second.finish()
        return await self._judge([record for records in outputs.values() for record in records], others, ends)

    async def _trouble(self) -> None:
        faults = self._plan.faults()
        lanes = {lane_of(fault.kind, self._plan.lanes) for fault in faults}
        async with asyncio.TaskGroup() as group:
            group.create_task(self._load.run())
            for lane in lanes:
                group.create_task(self._lane([f for f in faults if lane_of(f.kind, self._plan.lanes) == lane]))
        with suppress(TimeoutError):  # what is not done then, the checker calls lost
            await until_true(self._all_done, DRAIN_SECONDS, 0.5)

    async def _all_done(self) -> bool:
        return await self._sampler.done() >= self._load.sent

    async def _lane(self, faults: Sequence[Fault]) -> None:
        """Act one lane's faults out. One that comes too late, since those before took longer than planned, is left out."""
        for fault in faults:
            now = self._nemesis.clock()
            if now + fault.seconds > self._plan.seconds - CALM_SECONDS:
                return
            await asyncio.sleep(max(0.0, fault.at_seconds - now))
            await self._nemesis.act(fault)

    async def _tell(self) -> None:
        while True:
            await asyncio.sleep(5)
            nemesis, samples = self._nemesis, self._sampler.samples
            done = samples[-1].done if samples else 0
            before = next((s for s in reversed(samples[:-5])), None)
            rate = (done - before.done) / (samples[-1].at_seconds - before.at_seconds) if before is not None else 0.0
            self._report(
                f"{nemesis.clock():4.0f} s  {self._load.sent:7,} sent  {done:7,} done  {rate:5.0f}/s  {len(nemesis.crew.running)} workers"
                f"  {len(nemesis.applied):3} faults  {', '.join(sorted(nemesis.under_way)) or 'calm'}"
            )

    def _stop(self) -> list[str]:
        """Stop the workers; return what is wrong with how they, or others before them, ended."""
        crew = self._nemesis.crew
        crew.stop()
        asked = [worker for worker in crew.everybody if worker not in self._nemesis.killed]
        return [f"{w.name} ended with {w.process.returncode}: {w.tail(3)}" for w in asked if w.process.returncode != 0]

    def _most_reasked(self, standstill: float) -> int:
        """Return the bound: calls in flight at each crash or rebalance, and a commit interval's messages at each crash.

        While no transaction can be committed, the interval lasts as long as that. A bad wire to the model loses answers for
        as long as it is bad: all calls in flight, and again after each second.
        """
        nemesis = self._nemesis
        crashes = sum(fault.kind in {Kind.WORKER_KILL, Kind.WORKER_FREEZE} for fault in nemesis.applied)
        between = self._plan.rate * (COMMIT_SECONDS + standstill)
        bad_seconds = [ceil(fault.ended - fault.began) + 1 for fault in nemesis.applied if fault.kind in MODEL_WIRES]
        losses = crashes + nemesis.crew.joins() + WORKERS * sum(bad_seconds)
        return losses * CALLS * ITEMS + int(crashes * between)

    async def _judge(
        self, outputs: Sequence[Record], second: Mapping[Partition, Sequence[tuple[int, int]]], ends: Sequence[str]
    ) -> Outcome:
        nemesis, load, samples = self._nemesis, self._load, self._sampler.samples
        stage, seconds = nemesis.stage, nemesis.clock()
        await nemesis.until_in_sync()
        inputs = await stage.read(stage.source)
        replicas = [node.folder / "data" for node in nemesis.kafka.nodes]
        evidence = replace(stage.evidence(replicas), second=second, sampled=self._sampler.history)
        committed = await stage.committed()
        verdict = judge(inputs, outputs, committed, evidence=evidence)
        arrived = {record.value for record in inputs}
        applied = sorted(nemesis.applied, key=lambda fault: fault.began)
        standstill = longest_standstill_seconds(samples)
        return Outcome(
            plan=self._plan,
            seconds=seconds,
            verdict=verdict,
            applied=applied,
            recoveries=[recovery_seconds(samples, fault.ended, self._plan.rate) for fault in applied],
            acknowledged=len(load.acknowledged),
            acknowledged_and_missing=sum(ticket(i, KEYS).value not in arrived for i in load.acknowledged),
            aborted_records=sum(len(fate.aborted) for fate in evidence.fates.values()),
            commits=len(evidence.commits),
            reasked=nemesis.model.stats()["answered_again"],
            reasked_most=self._most_reasked(standstill),
            standstill_seconds=standstill,
            ends=ends,
        )
