"""The keeper of conversations on a real Kafka: what it publishes, recovers and forgets."""

import asyncio
import subprocess
import sys
from functools import partial

import orjson
from aiokafka import AIOKafkaProducer

from tests.broker.keepers import KeeperProcess, kept, recount, set_context
from tests.broker.stage import OUTPUT_PARTITIONS, Sent, set_stage, tickets
from tests.broker.workers_under_test import ROOT, Crew, environment, worker_settings
from tests.fakes.model_process import FakeModel
from tests.helpers import until, until_true
from workers.remembering.memory import Memory

KEY = b"customer-4711-erase-me"
WHO = "customer-4712-erase-me"
COMPACTED = {
    "cleanup.policy": "compact",
    "segment.ms": "100",
    "min.cleanable.dirty.ratio": "0.001",
    "delete.retention.ms": "0",
    "file.delete.delay.ms": "0",
}


async def test_what_is_kept_equals_a_recount_of_the_source_after_kills(bootstrap, tmp_path):
    """One keeper is killed and the other takes over, is killed too and recovers from its own files and the log."""
    stage = await set_stage(bootstrap, tmp_path, partitions=3)
    await set_context(stage)
    records = tickets(1_500, keys=40)

    async def some():
        return len(kept(await stage.read(f"{stage.name}.context"))) > 5

    await stage.send(records[:500])
    keepers = [KeeperProcess(stage, "first", "memory"), KeeperProcess(stage, "second", "rocksdb")]
    try:
        await until_true(some, 40)
        await stage.send(records[500:1_000])
        keepers[0].kill()
        await stage.send([*records[1_000:1_250], *records[900:950]])
        await until_true(lambda: _as_counted(stage), 60)
        await stage.send(records[1_250:])
        keepers[1].kill()
        keepers.append(KeeperProcess(stage, "second", "rocksdb"))
        await until_true(lambda: _as_counted(stage), 60)
    finally:
        for keeper in keepers:
            keeper.kill()


async def test_no_byte_of_a_forgotten_key_is_left_after_compaction(kafka, bootstrap, tmp_path):
    """Read from the broker's files: context, requests and compacted events, while other conversations go on."""
    stage = await set_stage(bootstrap, tmp_path, partitions=2, output_settings=COMPACTED)
    await set_context(stage, **COMPACTED)
    ours = [f"{stage.name}.context", f"{stage.name}.context.forget", *stage.outputs]

    async def forgotten():
        await stage.send(tickets(12, keys=12))  # only what is written after it lets a segment be compacted
        await _events(stage, b"another")
        return not await _holders(kafka, stage, ours, KEY)

    await stage.send([Sent(orjson.dumps({"id": f"e-{i}", "text": "my card was stolen"}), KEY) for i in range(3)])
    await _events(stage, KEY)
    keeper = KeeperProcess(stage, "keeper", "memory")
    try:
        await until_true(lambda: _is_kept(stage), 40)
        assert len(await _holders(kafka, stage, ours, KEY)) == 1 + len(stage.outputs)
        done = await _forget(stage, KEY.decode())
        assert (done.returncode, {row["outcome"] for row in orjson.loads(done.stdout)}) == (0, {"erased"})
        await until_true(forgotten, 60, every_seconds=0.5)
    finally:
        keeper.kill()
    assert KEY not in kept(await stage.read(f"{stage.name}.context"))


async def test_no_byte_of_a_forgotten_customer_is_left_after_compaction(kafka, bootstrap, tmp_path):
    """In no conversation of theirs and no event about them, dead letters too; another customer's are all there."""
    stage = await set_stage(bootstrap, tmp_path, partitions=2, output_settings=COMPACTED)
    await set_context(stage, customer="who", **COMPACTED)
    ours = [f"{stage.name}.context", f"{stage.name}.context.forget", *stage.outputs]
    theirs = [
        Sent(orjson.dumps({"id": f"e-{i}", "text": "cancel 111" if i else " ", "who": WHO}), b"c-%d" % i) for i in range(9)
    ]
    others = [Sent(orjson.dumps({"id": f"o-{i}", "text": "cancel 222", "who": "another"}), b"d-%d" % i) for i in range(9)]
    helper = Sent(orjson.dumps({"id": "helper", "text": f"how can I help you, {WHO}?"}), b"c-1")
    await stage.send([*theirs, *others, helper])
    keeper = KeeperProcess(stage, "keeper", "rocksdb")
    try:
        with FakeModel() as model, Crew(stage, worker_settings(stage, model.base_url), 1) as crew:
            await stage.until_progress(19, 40)
            assert crew.stop() == [0]
        await until_true(lambda: _as_counted(stage), 40)
        held = await _holders(kafka, stage, ours, WHO.encode())
        assert held >= {f"{stage.name}.{what}" for what in ("context", "labelled", "dead")}
        done = await _forget(stage, WHO, "--customer")
        assert (done.returncode, {row["outcome"] for row in orjson.loads(done.stdout)}) == (0, {"erased"})

        async def forgotten():
            await stage.send(tickets(12, keys=12))
            await _events(stage, b"another")
            return not await _holders(kafka, stage, ours, WHO.encode())

        await until_true(forgotten, 60, every_seconds=0.5)
    finally:
        keeper.kill()
    left = kept(await stage.read(f"{stage.name}.context"))
    assert {key for key in left if key[:2] in (b"c-", b"d-")} == {other.key for other in others}
    ids = {orjson.loads(e.value).get("message", {}).get("id") for e in await stage.read(*stage.outputs[:2]) if e.value}
    assert ids >= {f"o-{i}" for i in range(9)}


async def _holders(kafka, stage, topics, word):
    """Return the topics in which the word stands: in their files on the broker, or in what a reader unpacks of them."""
    data = kafka.nodes[0].folder / "data"
    logs = (log for topic in topics for log in data.glob(f"{topic}-[0-9]*/*.log"))
    held = {log.parent.name.rpartition("-")[0] for log in logs if word in log.read_bytes()}
    return held | {record.partition.topic for record in await stage.read(*topics) if word in repr(record).encode()}


async def _forget(stage, name, *arguments):
    command = [sys.executable, "-m", "workers", "forget", name, "--task", str(stage.task_file), "--json", *arguments]
    settings = environment(kafka__brokers=stage.bootstrap)
    return await asyncio.to_thread(partial(subprocess.run, command, cwd=ROOT, env=settings, capture_output=True, timeout=60))


async def _as_counted(stage):
    source, context = await stage.read(stage.source), await stage.read(f"{stage.name}.context")
    return kept(context) == recount(stage, source)


async def _is_kept(stage):
    return KEY in kept(await stage.read(f"{stage.name}.context"))


async def _events(stage, key):
    """Write an event of the key where it belongs, of another key to every partition."""
    async with AIOKafkaProducer(bootstrap_servers=stage.bootstrap) as producer:
        for topic in stage.outputs:
            if key == KEY:
                await producer.send_and_wait(topic, b"{}", key)
            else:
                for partition in range(OUTPUT_PARTITIONS):
                    await producer.send_and_wait(topic, b"{}", key, partition=partition)


async def test_a_worker_asks_with_what_the_keeper_keeps(bootstrap, tmp_path):
    """Keeper, topic, worker: later messages are asked about with earlier ones, and every message still has one event."""
    stage = await set_stage(bootstrap, tmp_path, partitions=2)
    await set_context(stage)
    records, known = tickets(24, keys=4), Memory(1_000_000)
    await stage.send(records[:20])
    keeper = KeeperProcess(stage, "keeper", "memory")
    try:
        await until_true(lambda: _as_counted(stage), 40)
        for record in await stage.read(f"{stage.name}.context"):
            known.put(record.partition.number, record.key, record.value)
        with FakeModel() as model, Crew(stage, worker_settings(stage, model.base_url), 1) as crew:
            (worker,) = crew.running
            await asyncio.to_thread(worker.until_logged, "started")
            await until(lambda: worker.metric("nanotriage_context_bytes") == known.bytes, 30)
            await stage.until_progress(20, 30)
            await stage.send(records[20:])  # so few that the keeper, should it be ahead, still holds what was said before them
            await stage.until_progress(24, 30)
            assert crew.stop() == [0]
    finally:
        keeper.kill()
    verdict = await stage.judge()
    assert verdict.kept, str(verdict)
    events = [orjson.loads(event.value) for event in await stage.read(*stage.outputs)]
    used = [(event["source"]["offset"], event["context"]) for event in events if event["message"]["id"] >= "m-000020"]
    assert (len(events), len(used)) == (24, 4)
    assert all(context["turns"] >= 1 and context["last"]["offset"] < offset for offset, context in used)
