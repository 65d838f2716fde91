"""FastStream: batch subscribers, one for each partition, since a batch subscriber has one batch under way."""

import asyncio

from faststream import AckPolicy, FastStream
from faststream.kafka import KafkaBroker, KafkaMessage, KafkaPublishMessage

from tests.bench.peers.common import AsyncModel, Job, Source


async def main(job: Job) -> None:
    model = AsyncModel(job)
    broker = KafkaBroker(job.brokers, log_level=40)

    async def triage(message: KafkaMessage) -> None:
        records = message.raw_message
        events = await model.ask([Source(record.partition, record.offset, record.value) for record in records])
        outgoing = [KafkaPublishMessage(event, key=record.key) for record, event in zip(records, events, strict=True)]
        await broker.publish_batch(*outgoing, topic=job.out)

    for _ in range(min(job.partitions, job.concurrency)):
        subscriber = broker.subscriber(
            job.topic,
            batch=True,
            max_records=job.batch,
            batch_timeout_ms=int(job.linger_seconds * 1000),
            group_id=job.group,
            auto_offset_reset="earliest",
            ack_policy=AckPolicy.ACK,
            session_timeout_ms=int(job.session_seconds * 1000),
            heartbeat_interval_ms=int(job.session_seconds * 200),
        )
        subscriber(triage)
    await FastStream(broker).run()


if __name__ == "__main__":
    asyncio.run(main(Job.read()))
