"""Rollups on a real Kafka: what is added up equals a count of the events, whoever was killed meanwhile."""

import asyncio
import random
from collections import Counter

import orjson
from aiokafka import AIOKafkaProducer, TopicPartition

from tests.broker.keepers import StatefulProcess
from tests.broker.stage import admin_of, set_stage, tickets
from tests.broker.workers_under_test import Crew, worker_settings
from tests.fakes.model_process import FakeModel
from tests.helpers import until_true
from tests.kafka_fixtures import make_topic
from workers.summing import added


async def test_rollups_equal_a_count_of_the_events_after_kills(bootstrap, tmp_path):
    """A worker and the application are killed while they work: labels and outcomes of all windows are those of the events."""
    stage = await set_stage(bootstrap, tmp_path, partitions=2)
    summaries, chance = f"{stage.name}.sums", random.Random(7)
    async with admin_of(bootstrap) as admin:
        await make_topic(admin, summaries, 2, 1)
        for table in ("rollups", "alerts", "baselines"):
            await make_topic(admin, f"{summaries}.{table}", 2, 1, {"cleanup.policy": "compact"})
    await _abort(bootstrap, summaries)
    settings = worker_settings(stage, "", delivery__summary_topic=summaries)
    application = ("rollups", "--window", "2")
    ours = {"delivery__summary_topic": summaries, "health__port": 0}
    running = StatefulProcess(stage, "rollups", *application, **ours)
    try:
        with FakeModel("--codes", "hash") as model:
            settings["NANOTRIAGE_MODEL__BASE_URL"] = model.base_url
            with Crew(stage, settings, 1) as crew:
                await stage.send(tickets(600, keys=20))
                await stage.until_progress(100, 60)
                crew.kill_one(chance)
                await until_true(lambda: stage.read(f"{summaries}.rollups"), 30)
                running.kill()
                running = StatefulProcess(stage, "rollups", *application, **ours)
                await stage.until_progress(600, 60)
                assert crew.stop() == [0]
        await until_true(lambda: _all_counted(stage, f"{summaries}.rollups"), 40)
        await until_true(lambda: _positions(bootstrap, f"{stage.name}.rollups", summaries), 15)  # what is added is acknowledged
    finally:
        await asyncio.to_thread(running.kill)
    total = await _total(stage, f"{summaries}.rollups")
    events = [orjson.loads(event.value) for event in await stage.read(*stage.outputs[:2])]
    labels = Counter(event["fields"]["intent"]["value"] or "unknown" for event in events)
    assert len(events) == total["messages"] == 600
    assert total["labels"]["intent"] == labels
    assert total.get("labelled", 0) == len(await stage.read(stage.outputs[0]))


async def _abort(bootstrap, topic):
    """Leave the record of a transaction that was never committed in each partition."""
    sums = {"messages": 7, "seconds_sum": 1.0, "tokens": {}}
    rows = [{"tenant": None, "model": "aborted", "sums": sums}]
    value = orjson.dumps({"v": 1, "task": "tickets", "source": "in/0", "at_ms": 1_000, "rows": rows})
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, transactional_id=f"abort-{topic}") as producer:
        await producer.begin_transaction()
        for partition in range(2):
            await producer.send_and_wait(topic, value, partition=partition)
        await producer.abort_transaction()


async def _total(stage, topic):
    newest, total = {record.key: record.value for record in await stage.read(topic)}, {}
    for value in newest.values():
        total = added(total, orjson.loads(value)["sums"])
    return total


async def _positions(bootstrap, group, topic):
    async with admin_of(bootstrap) as admin:
        found = await admin.list_consumer_group_offsets(group)
    return sum(found[place].offset for place in (TopicPartition(topic, 0), TopicPartition(topic, 1)) if place in found)


async def _all_counted(stage, topic):
    return (await _total(stage, topic)).get("messages") == 600
