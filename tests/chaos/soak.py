"""Ten minutes of steady load on one worker: does its memory grow, do its descriptors or tasks?

    python -m tests.chaos.soak --seconds 600 --rate 150

RSS, open descriptors and asyncio tasks are read from the worker's own /metrics every five seconds. After the warm-up RSS may
rise by less than 1 MB a minute (least squares), descriptors and tasks by less than one a minute. Exit code 1 otherwise.
"""

import argparse
import asyncio
import logging
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson

from tests.broker.stage import set_stage
from tests.broker.workers_under_test import Crew, Worker, worker_settings
from tests.chaos.slope import slope
from tests.chaos.traffic import Load
from tests.fakes.model_process import FakeModel
from topics.embedded import EmbeddedKafka

RESULT = Path(".nanotriage") / "soak.json"
WARM_UP_SHARE = 0.3
EVERY_SECONDS = 5.0
MEGABYTE = 1e6
MOST_MEGABYTES, MOST_DESCRIPTORS, MOST_TASKS = 1.0, 1.0, 1.0  # a minute


@dataclass(frozen=True, slots=True)
class Reading:
    """What a worker held at a minute of the run, and how many records it had done."""

    minute: float
    megabytes: float
    descriptors: float
    tasks: float
    done: float


@dataclass(frozen=True, slots=True)
class Growth:
    """Rise a minute, after the warm-up."""

    megabytes: float
    descriptors: float
    tasks: float

    @property
    def flat(self) -> bool:
        return self.megabytes < MOST_MEGABYTES and self.descriptors < MOST_DESCRIPTORS and self.tasks < MOST_TASKS


def growth(readings: list[Reading]) -> Growth:
    """Return the slopes over the readings after the warm-up."""
    warm = readings[int(len(readings) * WARM_UP_SHARE) :]
    return Growth(
        slope([(r.minute, r.megabytes) for r in warm]),
        slope([(r.minute, r.descriptors) for r in warm]),
        slope([(r.minute, r.tasks) for r in warm]),
    )


def read(worker: Worker, minute: float) -> Reading:
    return Reading(
        minute,
        worker.metric("process_resident_memory_bytes") / MEGABYTE,
        worker.metric("process_open_fds"),
        worker.metric("nanotriage_tasks"),
        worker.metric("nanotriage_records_done_total"),
    )


async def soak(seconds: float, rate: float, folder: Path) -> list[Reading]:
    """Return the readings of a worker under steady load. Nothing is left running."""
    kafka = EmbeddedKafka(folder, name="soak")
    try:
        await asyncio.to_thread(kafka.start)
        stage = await set_stage(kafka.bootstrap, folder)
        with FakeModel("--latency-ms", "20", "--jitter-ms", "60", "--codes", "hash", "--no-texts") as model:
            settings = worker_settings(stage, model.base_url)
            with Crew(stage, settings, 1) as crew:
                (worker,) = crew.everybody
                await asyncio.to_thread(worker.until_logged, "started", 60)
                readings = await _observe(worker, Load(stage, rate, int(rate * seconds)))
                await asyncio.to_thread(crew.stop)
        return readings
    finally:
        await asyncio.to_thread(kafka.destroy)


async def _observe(worker: Worker, load: Load) -> list[Reading]:
    """Send the whole load and return what the worker held meanwhile."""
    readings: list[Reading] = []
    started, sending = time.monotonic(), asyncio.create_task(load.run())
    while not sending.done():
        await asyncio.wait({sending}, timeout=EVERY_SECONDS)
        now = await asyncio.to_thread(read, worker, (time.monotonic() - started) / 60)
        readings.append(now)
        if len(readings) % 6 == 0:
            print(
                f"{now.minute:5.1f} min  {now.megabytes:6.1f} MB  {now.descriptors:3.0f} fds  {now.tasks:3.0f} tasks",
                flush=True,
            )
    await sending
    return readings


def main() -> int:
    """Soak, print, write the JSON file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--rate", type=float, default=150, help="messages a second")
    wanted = parser.parse_args()
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        readings = asyncio.run(soak(wanted.seconds, wanted.rate, Path(folder)))
    found = growth(readings)
    print(
        f"after the warm-up, a minute: {found.megabytes:+.3f} MB, {found.descriptors:+.2f} descriptors, {found.tasks:+.2f} tasks;"
    )
    print(f"{readings[-1].done:,.0f} records; {'flat' if found.flat else 'NOT FLAT'}")
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_bytes(orjson.dumps({"growth": asdict(found), "flat": found.flat, "readings": [asdict(r) for r in readings]}))
    return 0 if found.flat else 1


if __name__ == "__main__":
    sys.exit(main())
