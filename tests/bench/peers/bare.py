"""The yardstick: a hand-written loop with nothing but the bare work, and none of the care.

getmany -> micro-batch -> raw post through the openai package -> validate -> events -> one transaction per input partition
every 200 ms. It has no ledger, no limiter, no judgement and no recovery, and its commit rule (highest done + 1) loses
messages when a process dies: a measure of speed, not an example.
"""

import asyncio

import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from tests.bench.peers.common import AsyncModel, Job, Source


async def main(job: Job) -> None:
    model = AsyncModel(job)
    consumer = AIOKafkaConsumer(
        job.topic,
        bootstrap_servers=job.brokers,
        group_id=job.group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_poll_records=2000,
        session_timeout_ms=int(job.session_seconds * 1000),
        heartbeat_interval_ms=int(job.session_seconds * 200),
    )
    await consumer.start()
    producers = {number: await transactional(job, number) for number in range(job.partitions)}
    done = {number: [] for number in producers}
    slots = asyncio.Semaphore(job.concurrency)

    async def call(records) -> None:
        try:
            events = await model.ask([Source(record.partition, record.offset, record.value) for record in records])
            for record, event in zip(records, events, strict=True):
                done[record.partition].append((record, event))
        finally:
            slots.release()

    async def commit(number: int) -> None:
        producer, partition = producers[number], TopicPartition(job.topic, number)
        while True:
            await asyncio.sleep(0.2)
            burst, done[number] = done[number], []
            if not burst:
                continue
            async with producer.transaction():
                headers = [("ce_id", b"x" * 36), ("ce_type", b"triage.labelled")]
                sends = [await producer.send(job.out, event, key=record.key, headers=headers) for record, event in burst]
                await asyncio.gather(*sends)
                position = max(record.offset for record, _ in burst) + 1
                await producer.send_offsets_to_transaction({partition: position}, job.group)

    async def poll() -> None:
        batch = []
        while True:
            found = await consumer.getmany(timeout_ms=int(job.linger_seconds * 1000))
            batch += [record for records in found.values() for record in records]
            while len(batch) >= job.batch or (batch and not found):
                await slots.acquire()
                asyncio.create_task(call(batch[: job.batch]))  # noqa: RUF006  # kept alive by the loop while it runs
                del batch[: job.batch]

    await asyncio.gather(poll(), *(commit(number) for number in producers))


async def transactional(job: Job, number: int) -> AIOKafkaProducer:
    producer = AIOKafkaProducer(
        bootstrap_servers=job.brokers,
        linger_ms=2,
        max_batch_size=1 << 18,
        transactional_id=f"{job.group}-{number}",
        compression_type="zstd",
    )
    await producer.start()
    return producer


if __name__ == "__main__":
    uvloop.run(main(Job.read()))
