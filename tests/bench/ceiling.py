"""Messages per CPU second of the worker, beside the bare loop (`bare_loop.py`), in one run on one broker and one model.

`make bench`, or `python -m tests.bench.ceiling [--messages N] [--rounds N]`. Exactly-once, 16 messages a call, 32 calls at
once, 6 partitions, 300-byte messages, a model that answers in 5 ms. Only the ratio means something: machines differ and are
shared. CPU is counted between the first tenth and the last message, so that start-up does not count; rounds alternate.
Writes `.nanotriage/bench.json`.
"""

import argparse
import asyncio
import os
import platform
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import orjson
import psutil
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from schemas.verdict import SignalKind
from topics.embedded import EmbeddedKafka
from workers.asking.prompt import render_system
from workers.taskfiles import load_task

ROOT = Path(__file__).resolve().parents[2]
BATCH, CALLS, PARTITIONS = 16, 32, 6

TASK = """
name: bench
source: {topic: TOPIC, text: body, id: id}
instructions: Label the support messages. PADDING
fields:
  intent: {kind: label, labels: {card_arrival: asks where the card is, other: anything else}}
  sentiment: {kind: sentiment}
  order_id: {kind: extract}
  amount: {kind: extract, type: money}
routes: {labelled: OUT, escalated: OUT-escalated, dead: OUT-dead}
"""


def main() -> int:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--messages", type=int, default=60_000)
    arguments.add_argument("--rounds", type=int, default=2)
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder, EmbeddedKafka(Path(folder)) as kafka, model_server() as url:
        rounds = []
        for number in range(options.rounds):
            for name in ("bare", "worker"):
                figures = asyncio.run(measure(name, kafka.bootstrap, url, Path(folder), f"{name}-{number}", options.messages))
                print(
                    f"{name:7} round {number}: {figures['per_cpu_second']:8.0f} messages per CPU second, "
                    f"{figures['per_second']:7.0f} a second, {figures['rss_mb']:.0f} MB",
                    flush=True,
                )
                rounds.append({"name": name, **figures})
    middle = {name: statistics.median(r["per_cpu_second"] for r in rounds if r["name"] == name) for name in ("bare", "worker")}
    ratio = middle["worker"] / middle["bare"]
    print(f"worker / bare loop, messages per CPU second: {ratio:.2f}")
    result = {
        "ratio_worker_to_bare_per_cpu_second": round(ratio, 3),
        "rounds": rounds,
        "messages": options.messages,
        "machine": {"cpus": os.cpu_count(), "python": platform.python_version(), "system": platform.platform()},
    }
    target = ROOT / ".nanotriage" / "bench.json"
    target.parent.mkdir(exist_ok=True)
    target.write_bytes(orjson.dumps(result, option=orjson.OPT_INDENT_2))
    return 0


class model_server:  # noqa: N801  # a context manager that reads as a function
    """The model in a process of its own; gives its base URL."""

    def __enter__(self) -> str:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.process = subprocess.Popen([sys.executable, "-m", "tests.bench.bare_server", str(port)], cwd=ROOT)
        deadline = time.monotonic() + 20
        while socket.socket().connect_ex(("127.0.0.1", port)):
            if time.monotonic() > deadline:
                raise TimeoutError("the model server did not start")
            time.sleep(0.05)
        return f"http://127.0.0.1:{port}/v1"

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()


async def measure(name: str, brokers: str, url: str, folder: Path, run: str, messages: int) -> dict[str, float]:
    """Preload a topic, start one subject, and count its output and its CPU time."""
    topic, out = f"in-{run}", f"out-{run}"
    await prepare(brokers, topic, out, messages)
    task = folder / f"{run}.yaml"
    task.write_text(TASK.replace("TOPIC", topic).replace("OUT", out).replace("PADDING", "You label support messages. " * 120))
    command = worker_command(brokers, url, task, run) if name == "worker" else bare_command(brokers, url, topic, out, task)
    consumer = AIOKafkaConsumer(out, bootstrap_servers=brokers, isolation_level="read_committed", auto_offset_reset="earliest")
    await consumer.start()
    process = psutil.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        return await count(consumer, process, messages)
    finally:
        process.kill()
        process.wait()
        await consumer.stop()


async def count(consumer: AIOKafkaConsumer, process: psutil.Popen, messages: int) -> dict[str, float]:
    seen, begun = 0, None
    deadline = time.monotonic() + 300
    while seen < messages:
        if time.monotonic() > deadline or process.poll() is not None:
            raise RuntimeError(f"the subject stopped or stood still at {seen} of {messages}")
        batches = await consumer.getmany(timeout_ms=50)
        seen += sum(len(records) for records in batches.values())
        if begun is None and seen >= messages // 10:
            begun = (seen, time.perf_counter(), cpu(process))
    assert begun is not None
    counted, seconds, used = messages - begun[0], time.perf_counter() - begun[1], cpu(process) - begun[2]
    rss = process.memory_info().rss / 2**20
    return {"per_cpu_second": counted / used, "per_second": counted / seconds, "rss_mb": rss}


def cpu(process: psutil.Popen) -> float:
    times = process.cpu_times()
    return times.user + times.system


async def prepare(brokers: str, topic: str, out: str, messages: int) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=brokers)
    await admin.start()
    await admin.create_topics([NewTopic(t, PARTITIONS, 1) for t in (topic, out, f"{out}-escalated", f"{out}-dead")])
    await admin.close()
    producer = AIOKafkaProducer(bootstrap_servers=brokers, linger_ms=5)
    await producer.start()
    text = "my card has not arrived yet " * 9
    for number in range(messages):
        value = orjson.dumps({"id": str(number), "body": text})
        await producer.send(topic, value, key=b"%d" % number, partition=number % PARTITIONS)
    await producer.stop()


def worker_command(brokers: str, url: str, task: Path, run: str) -> list[str]:
    os.environ |= {
        "NANOTRIAGE_MODEL__CONCURRENCY": str(CALLS),
        "NANOTRIAGE_MODEL__LOGPROBS": "off",
        "NANOTRIAGE_BATCHING__MAX_ITEMS": str(BATCH),
        "NANOTRIAGE_BATCHING__MAX_WAITING": "4000",
    }
    flags = ["--brokers", brokers, "--model-url", url, "--model", "bench", "--group", run, "--health-port", "0"]
    return [sys.executable, "-m", "workers", "run", "--task", str(task), *flags]


def bare_command(brokers: str, url: str, topic: str, out: str, task: Path) -> list[str]:
    system = task.with_suffix(".txt")
    system.write_text(render_system(load_task(str(task)).task, SignalKind.BAND))
    return [sys.executable, "-m", "tests.bench.bare_loop", brokers, url, topic, out, str(system), str(CALLS), str(BATCH)]


if __name__ == "__main__":
    sys.exit(main())
