"""What a commit costs with 1, 12 and 48 lanes: exactly once beside at least once, in one run on one broker.

`python -m tests.bench.commit_cost [--seconds N]`, `make commitcost`. Lanes are given events of 400 bytes at a fixed rate, without input
or model. CPU of this process and of the broker, and the time from an event's settling to its commit. Only ratios mean something.
Writes `.nanotriage/commit_cost.json`.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

import orjson
import psutil
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from tests.helpers import until, until_true
from topics.connection import Connection
from topics.embedded import EmbeddedKafka
from topics.kafka import KafkaLog
from topics.lane import Lane
from topics.lane_facts import AtLeastOnce, CommitResult, Committing, Delivery, ExactlyOnce, LaneFact, LaneRules, LaneState
from topics.ledger import Order
from topics.record import Outgoing, Partition, Record

ROOT = Path(__file__).resolve().parents[2]
RATE, COMMIT_SECONDS, TICK = 1_200, 0.2, 0.02
MODES: dict[str, Delivery] = {"exactly_once": ExactlyOnce(), "at_least_once": AtLeastOnce()}


@dataclass
class Waiting:
    """When each event was settled, by lane, and how long those committed had waited."""

    settled: dict[Partition, deque[float]] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)

    def tell(self, fact: LaneFact) -> None:
        if isinstance(fact, Committing) and fact.result is CommitResult.COMMITTED:
            now, queue = time.monotonic(), self.settled[fact.partition]
            self.seconds += [now - queue.popleft() for _ in range(fact.records)]


class Holder:
    async def revoked(self, partitions: Collection[Partition]) -> None:
        raise RuntimeError(f"lost {len(partitions)} partitions: the measurement is void")

    def assigned(self, partitions: Collection[Partition]) -> None:
        self.owned = list(partitions)


async def measure(kafka: EmbeddedKafka, mode: str, lanes: int, seconds: float) -> dict[str, float]:
    name = f"{mode}-{lanes}-{time.monotonic_ns()}"
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(f"{name}.in", lanes, 1), NewTopic(f"{name}.out", 6, 1)])
    await admin.close()
    log, waiting, holder = KafkaLog(Connection(kafka.bootstrap)), Waiting(), Holder()
    rules = LaneRules(name, "bench", Order.NONE, lambda event: event, delivery=MODES[mode], commit_seconds=COMMIT_SECONDS)
    for topic in (f"{name}.in", f"{name}.out"):
        await until_true(lambda topic=topic: log.partitions(topic), 30)
    intake = log.intake(name)
    await intake.start([f"{name}.in"], holder)
    made = [Lane(log, p, epoch=1, rules=rules, tell=waiting.tell, clock=time.monotonic) for p in holder.owned]
    waiting.settled = {lane.partition: deque() for lane in made}
    activating = asyncio.Semaphore(8)
    tasks = [asyncio.ensure_future(lane.run(activating, intake)) for lane in made]
    await until(lambda: all(lane.state is LaneState.ACTIVE for lane in made), 60)
    await feed(made, waiting, 2.0, f"{name}.out")
    waiting.seconds.clear()
    broker = [psutil.Process(kafka.node(1).pid)]
    before = cpu(psutil.Process()), cpu(broker[0])
    events = await feed(made, waiting, seconds, f"{name}.out")
    await until(lambda: not any(waiting.settled.values()), 30)
    after = cpu(psutil.Process()), cpu(broker[0])
    await asyncio.gather(*(lane.close(task) for lane, task in zip(made, tasks, strict=True)))
    await intake.stop()
    await log.close()
    cuts = statistics.quantiles(waiting.seconds, n=100)
    return {
        "client_cpu_seconds_per_1000": 1000 * (after[0] - before[0]) / events,
        "broker_cpu_seconds_per_1000": 1000 * (after[1] - before[1]) / events,
        "p50_seconds": cuts[49],
        "p99_seconds": cuts[98],
    }


async def feed(lanes: list[Lane], waiting: Waiting, seconds: float, topic: str) -> int:
    """Settle RATE events a second, by turns; return how many."""
    started, done = time.monotonic(), 0
    while (elapsed := time.monotonic() - started) < seconds:
        while done < elapsed * RATE:
            lane = lanes[done % len(lanes)]
            if lane.ledger is None:
                raise RuntimeError(f"{lane.partition} is not active")
            offset = lane.ledger.watermark if not lane.ledger.owed else offsets[lane.partition] + 1
            offsets[lane.partition] = offset
            receipt = lane.ledger.receive(Record(lane.partition, offset, None, b"", (), 0))
            if receipt is None:
                raise RuntimeError(f"{lane.partition}: offset {offset} is not new")
            waiting.settled[lane.partition].append(time.monotonic())
            lane.settle(receipt, [Outgoing(topic, b"%d" % done, b"x" * 400, ())])
            done += 1
        await asyncio.sleep(TICK)
    return done


offsets: dict[Partition, int] = {}


def cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=10)
    seconds = parser.parse_args().seconds
    found = []
    with tempfile.TemporaryDirectory() as folder, EmbeddedKafka(Path(folder)) as kafka:
        for lanes in (1, 12, 48):
            by_mode = {mode: asyncio.run(measure(kafka, mode, lanes, seconds)) for mode in MODES}
            once, least = by_mode["exactly_once"], by_mode["at_least_once"]
            ratios = {figure: round(once[figure] / least[figure], 2) for figure in once}
            print(f"{lanes:3} lanes, exactly once to at least once: {ratios}; {by_mode}", flush=True)
            found.append({"lanes": lanes, "ratios": ratios, **by_mode})
    target = ROOT / ".nanotriage" / "commit_cost.json"
    target.parent.mkdir(exist_ok=True)
    target.write_bytes(orjson.dumps(found, option=orjson.OPT_INDENT_2))


if __name__ == "__main__":
    main()
