"""Table updates a second of the keeper of conversations, beside a bare faust table, in one run on one broker.

`python -m tests.bench.stateful [--turns 50000]`. The turns are conversations with banks (STAR with its time stamps, SGD), said
again under fresh keys until there are as many, one in fifty late and one in a hundred twice; without the data, made-up tickets.
Rates are of one process each, from its first update in the log to its last; then what is kept is compared with a recount of
the source. Only ratios mean something.
Writes `.nanotriage/stateful.json`. Exit code 1 when something else is kept.
"""

import argparse
import asyncio
import itertools
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import orjson
import psutil
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from tests.broker.keepers import KeeperProcess, kept, recount, set_context
from tests.broker.stage import Stage, admin_of, set_stage
from tests.kafka_fixtures import make_topic
from topics.embedded import EmbeddedKafka

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data"
PARTITIONS = 6
_MEBIBYTE = 1024 * 1024
_BEGAN, _SECONDS_A_TURN = 1_590_000_000, 30  # of dialogues without time stamps


Said = tuple[bytes, int, str, str]
"""Conversation, time in milliseconds, id and text."""


def said() -> Iterator[Said]:
    """Yield what is said, for ever."""
    rows: list[tuple[str, int, str, str]] = []
    for name in ("star_bank", "sgd_bank"):
        file = DATA / name / "train.jsonl"
        for line in file.read_text(encoding="utf-8").splitlines() if file.exists() else ():
            row = json.loads(line)
            moment = 1000 * row.get("unix_time", _BEGAN + _SECONDS_A_TURN * row["turn"])
            rows.append((f"{name}-{row['dialogue']}", moment, f"{row['dialogue']}/{row['turn']}", row["text"]))
    rows = rows or [(f"c{i % 300}", 1000 * (_BEGAN + i), f"m{i}", f"cancel my order, number {i}") for i in range(3_000)]
    for again in itertools.count():
        for key, moment, name, text in rows:
            yield f"{key}-{again}".encode(), moment, name, text


def disordered(turns: Iterator[Said]) -> Iterator[Said]:
    """Yield some of the turns late, after those that follow them, and some twice."""
    rng, held = random.Random(_BEGAN), list[Said]()
    for turn in turns:
        if rng.random() < 0.02:
            held.append(turn)
            continue
        yield turn
        if rng.random() < 0.01:
            yield turn
        if len(held) > 10:
            yield held.pop(0)


async def send(stage: Stage, turns: int) -> None:
    async with AIOKafkaProducer(bootstrap_servers=stage.bootstrap, linger_ms=20) as producer:
        for key, moment, name, text in itertools.islice(disordered(said()), turns):
            await producer.send(stage.source, orjson.dumps({"id": name, "text": text}), key, timestamp_ms=moment)


async def rate_of(bootstrap: str, topic: str, turns: int, process: subprocess.Popen[bytes]) -> dict[str, float]:
    """Return updates a second and what they cost, from the first to the last that is in the log.

    `idle_share` is of the time of the thread that handles records: neither computing nor waiting for a processor.
    """
    watched, began, busy, occupied = psutil.Process(process.pid), 0.0, 0.0, 0.0
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap)
    await consumer.start()
    try:
        places = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        first = 0
        deadline = time.monotonic() + 300
        while (done := sum((await consumer.end_offsets(places)).values())) < turns:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{done} of {turns} updates, exit code {process.poll()}")
            if done and not began:
                first, began, busy = done, time.monotonic(), sum(watched.cpu_times()[:2])
                occupied = occupied_seconds(process.pid)
            await asyncio.sleep(0.05)
        seconds, cpu = time.monotonic() - began, sum(watched.cpu_times()[:2]) - busy
        idle = 1 - (occupied_seconds(process.pid) - occupied) / seconds
        memory = watched.memory_info().rss / _MEBIBYTE
    finally:
        await consumer.stop()
    count = turns - first
    return {
        "updates_a_second": count / seconds,
        "updates_a_cpu_second": count / cpu,
        "idle_share": idle,
        "memory_mebibytes": memory,
    }


def occupied_seconds(pid: int) -> float:
    """Return for how long the main thread of a process ran or was ready to, since its start (Linux)."""
    ran, waited, _ = Path(f"/proc/{pid}/task/{pid}/schedstat").read_text(encoding="utf-8").split()
    return (int(ran) + int(waited)) / 1e9


async def keeper(bootstrap: str, folder: Path, store: str, turns: int) -> dict[str, float | bool]:
    stage = await set_stage(bootstrap, folder, partitions=PARTITIONS, **{"retention.ms": "-1"})
    await set_context(stage)
    await send(stage, turns)
    running = KeeperProcess(stage, store, store)
    try:
        found = await rate_of(bootstrap, f"{stage.name}.context", turns, running.process)
    finally:
        running.kill()
    equal = kept(await stage.read(f"{stage.name}.context")) == recount(stage, await stage.read(stage.source))
    return {**found, "equals_a_recount": equal}


def bare_process(bootstrap: str, stage: Stage, folder: Path) -> subprocess.Popen[bytes]:
    arguments = [bootstrap, stage.name, stage.source, str(PARTITIONS), str(folder / "bare")]
    command = [sys.executable, "-m", "tests.bench.peers.faust_table", *arguments]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)


async def bare(bootstrap: str, folder: Path, turns: int) -> dict[str, float]:
    stage = await set_stage(bootstrap, folder, partitions=PARTITIONS, **{"retention.ms": "-1"})
    async with admin_of(bootstrap) as admin:
        changelog = await make_topic(admin, f"{stage.name}-counts-changelog", PARTITIONS, 1, {"cleanup.policy": "compact"})
    await send(stage, turns)
    process = bare_process(bootstrap, stage, folder)
    try:
        return await rate_of(bootstrap, changelog, turns, process)
    finally:
        process.kill()
        process.wait()


async def run(turns: int, folder: Path) -> dict[str, dict[str, float | bool]]:
    with EmbeddedKafka(folder / "kafka") as kafka:
        found: dict[str, dict[str, float | bool]] = {"bare faust table": {**await bare(kafka.bootstrap, folder, turns)}}
        for store in ("memory", "rocksdb"):
            found[f"keeper, {store}"] = await keeper(kafka.bootstrap, folder, store, turns)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=50_000)
    turns = parser.parse_args().turns
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(run(turns, Path(folder)))
    out = ROOT / ".nanotriage" / "stateful.json"
    out.parent.mkdir(exist_ok=True)
    out.write_bytes(orjson.dumps({"turns": turns, "results": found}, option=orjson.OPT_INDENT_2))
    for name, figures in found.items():
        print(f"{name:18}", "  ".join(f"{what} {value:.4g}" for what, value in figures.items()))
    return 0 if all(figures.get("equals_a_recount", True) for figures in found.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
