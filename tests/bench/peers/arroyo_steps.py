"""Arroyo: batch, run in threads, unbatch, produce, commit: the strategies that its own consumers are made of."""

import signal
from collections.abc import Mapping

from arroyo import Message, Partition, Topic
from arroyo.backends.kafka import KafkaConsumer, KafkaPayload, KafkaProducer
from arroyo.backends.kafka.configuration import build_kafka_consumer_configuration, build_kafka_producer_configuration
from arroyo.processing import StreamProcessor
from arroyo.processing.strategies import (
    BatchStep,
    CommitOffsets,
    ProcessingStrategyFactory,
    Produce,
    RunTaskInThreads,
    UnbatchStep,
)
from arroyo.types import Commit, Value

from tests.bench.peers.common import Job, Model, Source


class Triage(ProcessingStrategyFactory[KafkaPayload]):
    def __init__(self, job: Job) -> None:
        self._job = job
        self._model = Model(job)
        settings = build_kafka_producer_configuration({}, [job.brokers], {"enable.idempotence": True, "linger.ms": 5})
        self._producer = KafkaProducer(settings)

    def create_with_partitions(self, commit: Commit, _partitions: Mapping[Partition, int]) -> BatchStep:
        job = self._job
        produce = Produce(self._producer, Topic(job.out), CommitOffsets(commit), max_buffer_size=100_000)
        unbatch = UnbatchStep(produce)
        calls = RunTaskInThreads(self._ask, job.concurrency, job.concurrency * 2, unbatch)
        return BatchStep(job.batch, job.linger_seconds, calls)

    def _ask(self, batch: Message) -> list[Value]:
        values = batch.payload
        sources = [Source(value.partition.index, value.offset, value.payload.value) for value in values]
        events = self._model.ask(sources)
        return [
            Value(KafkaPayload(value.payload.key, event, []), value.committable)
            for value, event in zip(values, events, strict=True)
        ]


def main(job: Job) -> None:
    settings = build_kafka_consumer_configuration(
        {},
        group_id=job.group,
        auto_offset_reset="earliest",
        bootstrap_servers=[job.brokers],
        override_params={"session.timeout.ms": int(job.session_seconds * 1000)},
    )
    processor = StreamProcessor(KafkaConsumer(settings), Topic(job.topic), Triage(job))
    signal.signal(signal.SIGTERM, lambda *_: processor.signal_shutdown())
    processor.run()


if __name__ == "__main__":
    main(Job.read())
