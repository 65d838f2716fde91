"""Probes on a real Kafka: right, wrong, missing and late ones each show, and so does a partition whose lane is dead."""

import asyncio
import subprocess
import sys
from urllib.request import urlopen

import orjson
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.structs import OffsetAndMetadata
from prometheus_client.parser import text_string_to_metric_families

from tests.broker.stage import set_stage, tickets
from tests.broker.workers_under_test import ROOT, Crew, environment, run_to_end, worker_settings
from tests.fakes.model_process import FakeModel
from tests.helpers import until_true

DEAD = 2
KEY = {"probe__mark_key": "secret"}


@pytest.mark.timeout(300)  # the worker is held, and held partitions must go silent
async def test_each_outcome_and_a_dead_lane_show(bootstrap, tmp_path):
    """Beside real messages, whose events carry no mark; no answer is ever sent, and nothing is published twice."""
    stage = await set_stage(bootstrap, tmp_path, partitions=3)
    await quarantine(stage, DEAD)
    probes = tmp_path / "probes.jsonl"
    texts = [("please cancel order 1001", "cancel"), ("cancel order 2002, or else", "praise")]
    probes.write_bytes(b"\n".join(orjson.dumps({"text": text, "expect": {"intent": label}}) for text, label in texts))
    with FakeModel() as model, Crew(stage, worker_settings(stage, model.base_url, **KEY), 1) as crew:
        (worker,) = crew.everybody
        await asyncio.to_thread(worker.until_logged, "started", 60)
        await stage.send(tickets(30, keys=9))
        prober = Prober(stage, probes, "--every", "0.2", "--timeout", "4")
        try:
            await until_true(lambda: prober.shows(right=2, wrong=2, silent={DEAD}), 60)
            worker.hold()
            await until_true(lambda: prober.shows(missing=4, silent={0, 1, DEAD}), 60)
            worker.release()
            await until_true(lambda: prober.shows(late=2, silent={DEAD}), 60)
            assert (await prober.outcomes()).get("doubled", 0) == 0
        finally:
            prober.end()
        command = ["probe", str(probes), "--task", str(stage.task_file), "--once", "--timeout", "8", "--json"]
        code, said = await asyncio.to_thread(run_to_end, command, tmp_path, environment(kafka__brokers=bootstrap, **KEY))
    rows = {row["partition"]: row["outcome"] for row in orjson.loads(said)}
    assert code == 1
    assert rows == {f"{stage.source}/0": "right", f"{stage.source}/1": "wrong", f"{stage.source}/2": "missing"}
    marks = {event: dict(event.headers).get("ce_ntprobe") for event in await stage.read(*stage.outputs)}
    marked = [mark for mark in marks.values() if mark is not None]
    assert len(marked) == len(set(marked)) > 6
    assert {orjson.loads(event.value)["message"]["id"][:2] for event, mark in marks.items() if mark is None} == {"m-"}
    assert not any(b"praise" in record.value or b"expect" in record.value for record in await stage.read(stage.source))


class Prober:
    """One process of `nanotriage probe`."""

    def __init__(self, stage, probes, *options):
        self.log = stage.folder / "prober.log"
        env = environment(kafka__brokers=stage.bootstrap, health__port=0, logs__format="json", **KEY)
        command = [sys.executable, "-m", "workers", "probe", str(probes), "--task", str(stage.task_file), *options]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=log, stderr=log)

    def end(self):
        self.process.kill()
        self.process.wait()

    async def outcomes(self):
        return await asyncio.to_thread(self._samples, "nanotriage_probes_total", "outcome")

    async def shows(self, silent, **least):
        """Return whether at least so many of each outcome are counted, and these partitions are silent, no others."""
        found = await self.outcomes()
        quiet = await asyncio.to_thread(self._samples, "nanotriage_probe_silent", "partition")
        assert self.process.poll() is None, self.log.read_text()
        enough = all(found.get(outcome, 0) >= count for outcome, count in least.items())
        return enough and {int(partition) for partition, on in quiet.items() if on} == silent

    def _samples(self, name, label):
        started = [line for line in self.log.read_bytes().splitlines() if b'"started"' in line]
        if not started:
            return {}
        try:
            with urlopen(f"http://127.0.0.1:{orjson.loads(started[0])['port']}/metrics", timeout=5) as answer:
                families = text_string_to_metric_families(answer.read().decode())
        except OSError:
            return {}
        return {s.labels[label]: s.value for family in families for s in family.samples if s.name == name}


async def quarantine(stage, number):
    """Commit what no worker can read."""
    consumer = AIOKafkaConsumer(bootstrap_servers=stage.bootstrap, group_id=stage.group, enable_auto_commit=False)
    await consumer.start()
    try:
        place = TopicPartition(stage.source, number)
        consumer.assign([place])
        await consumer.commit({place: OffsetAndMetadata(0, "not ours")})
    finally:
        await consumer.stop()
