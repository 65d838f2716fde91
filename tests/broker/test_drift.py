"""Drift on a real Kafka: an alert is published once and cleared once, whenever the application is killed."""

import asyncio
import random
import time
from urllib.request import urlopen

import orjson
import pytest
from aiokafka import AIOKafkaProducer

from tests.broker.keepers import StatefulProcess
from tests.broker.stage import admin_of, set_stage
from tests.helpers import until_true
from tests.kafka_fixtures import make_topic
from tests.properties.test_watching import LOOK, MIX, OTHER, sums

COMPACT = {"cleanup.policy": "compact"}
TIMES = ("--window", "60", "--look", "60", "--slot", "600", "--season", "none")
QUIET, SHIFTED, BACK = 35, 12, 12


@pytest.mark.timeout(300)  # three starts, and after a kill a session must run out
async def test_an_alert_outlives_kills_and_is_not_repeated(bootstrap, tmp_path):
    """Killed while it decides and while the alert is on: one record raised, one cleared, in this order."""
    stage = await set_stage(bootstrap, tmp_path, partitions=1)
    summaries, chance = f"{stage.name}.sums", random.Random(11)
    async with admin_of(bootstrap) as admin:
        await make_topic(admin, summaries, 2, 1)
        for table in ("rollups", "alerts", "baselines"):
            await make_topic(admin, f"{summaries}.{table}", 2, 1, COMPACT)
    first = (time.time_ns() // 1_000_000 - 3 * 3_600_000) // LOOK
    mixes = [MIX] * QUIET + [OTHER] * SHIFTED + [MIX] * BACK
    values = [summary((first + step) * LOOK, sums(80, chance, mix=mix)) for step, mix in enumerate(mixes)]
    ours = {"delivery__summary_topic": summaries, "health__port": 0}

    def start():
        return StatefulProcess(stage, "rollups", "rollups", *TIMES, **ours)

    running = start()
    try:
        await publish(bootstrap, summaries, values[: QUIET + 5])
        await until_true(lambda: stage.read(f"{summaries}.baselines"), 60)
        running.kill()
        running = start()
        await until_true(lambda: served(running, "/alerts", b'"state":"raised"'), 90)
        running.kill()
        running = start()
        await publish(bootstrap, summaries, values[QUIET + 5 :])
        await until_true(lambda: decided(stage, summaries, (first + len(mixes) - 1) * LOOK), 90)
        assert await served(running, "/metrics", b'kind="labels",model="m",task="t",tenant=""} 0.0')
        assert await served(running, "/alerts", b"[]")
    finally:
        await asyncio.to_thread(running.kill)
    assert await states(stage, summaries) == [("labels", "raised"), ("labels", "cleared")]


def summary(at_ms, row):
    rows = [{"tenant": None, "model": "m", "sums": row}]
    return orjson.dumps({"v": 1, "task": "t", "source": "in/0", "at_ms": at_ms + 1, "rows": rows})


async def publish(bootstrap, topic, values):
    async with AIOKafkaProducer(bootstrap_servers=bootstrap) as producer:
        for value in values:
            await producer.send_and_wait(topic, value, key=b"t")


async def states(stage, summaries):
    """Return every alert that was ever published, in order; nothing is compacted within the test."""
    told = [orjson.loads(record.value) for record in await stage.read(f"{summaries}.alerts")]
    return [(alert["kind"], alert["state"]) for alert in told]


async def decided(stage, summaries, until_ms):
    marks = [orjson.loads(r.value) for r in await stage.read(f"{summaries}.baselines") if r.key == b'["mark","t"]']
    return max(mark["decided"] for mark in marks) >= until_ms - LOOK


async def served(running, path, part):
    """Return whether the application serves this, by now."""
    lines = [orjson.loads(line) for line in running.log.read_bytes().splitlines() if line.startswith(b"{")]
    ports = [line["port"] for line in lines if line.get("event") == "started"]
    assert running.process.poll() is None
    return bool(ports) and part in await asyncio.to_thread(get, ports[-1], path)


def get(port, path):
    try:
        with urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.read()
    except OSError:
        return b""
