"""What Kafka's tools, and whoever scales by them, call lag reaches zero once all is done, whoever wrote the input."""

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from tests.broker.stage import set_stage, tickets
from tests.broker.workers_under_test import Crew, worker_settings
from tests.fakes.model_process import FakeModel
from tests.helpers import until_true

EACH = 30


async def write_in_transactions(stage, messages):
    """Write them, so many in a transaction; each transaction is aborted once before it is committed."""
    producer = AIOKafkaProducer(bootstrap_servers=stage.bootstrap, transactional_id=f"{stage.name}.upstream")
    await producer.start()
    try:
        for start in range(0, len(messages), EACH):
            for end in (producer.abort_transaction, producer.commit_transaction):
                await producer.begin_transaction()
                for message in messages[start : start + EACH]:
                    await producer.send_and_wait(stage.source, message.value, message.key)
                await end()
        await producer.begin_transaction()
        await producer.send_and_wait(stage.source, b"undone", b"k0")
        await producer.abort_transaction()
    finally:
        await producer.stop()


async def high_watermarks(stage):
    """Return each source partition's end as a scaler asks for it: with what no read_committed reader will see."""
    places = [TopicPartition(place.topic, place.number) for place in stage.places()]
    reader = AIOKafkaConsumer(bootstrap_servers=stage.bootstrap)
    await reader.start()
    try:
        return {place: (await reader.end_offsets(places))[place] for place in places}
    finally:
        await reader.stop()


@pytest.mark.timeout(120)
async def test_upstream_transactions_leave_no_lag(bootstrap, tmp_path):
    """300 messages in transactions, each aborted once before: one event each, and then nothing between committed and end."""
    stage = await set_stage(bootstrap, tmp_path, partitions=3)
    await write_in_transactions(stage, tickets(300, keys=50))
    ends = await high_watermarks(stage)
    after_the_last = {(r.partition.topic, r.partition.number): r.offset + 1 for r in await stage.read(stage.source)}
    assert all(ends[place] > after_the_last[place] for place in ends), "something that is no record is last everywhere"

    async def all_committed():
        return await stage.progress() == sum(ends.values())

    with FakeModel() as model, Crew(stage, worker_settings(stage, model.base_url), 1) as crew:
        await until_true(all_committed, 60)
        assert crew.stop() == [0]
    assert await high_watermarks(stage) == ends
    verdict = await stage.judge()
    assert verdict.kept, str(verdict)
    assert verdict.events == 300
