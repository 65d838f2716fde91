"""Quix Streams: a batching sink, the framework's way to talk to an outside system in batches.

It has no calls side by side: a sink writes one chunk after the other, as its documentation has it. With `threads` the sink
brings a thread pool of its own, which is beyond what the framework offers. Windows are kept per key, so they make no batches of
messages with keys of their own.
"""

import sys
from concurrent.futures import ThreadPoolExecutor

from confluent_kafka import Producer
from quixstreams import Application
from quixstreams.sinks import BatchingSink, SinkBatch

from tests.bench.peers.common import Job, Model, Source


class Triage(BatchingSink):
    def __init__(self, job: Job, *, threads: bool) -> None:
        super().__init__()
        self._job = job
        self._model = Model(job)
        self._map = ThreadPoolExecutor(job.concurrency).map if threads else map
        self._producer = Producer({"bootstrap.servers": job.brokers, "enable.idempotence": True, "linger.ms": 5})

    def write(self, batch: SinkBatch) -> None:
        chunks = [list(chunk) for chunk in batch.iter_chunks(self._job.batch)]
        sources = [[Source(batch.partition, item.offset, item.value) for item in chunk] for chunk in chunks]
        for chunk, events in zip(chunks, self._map(self._model.ask, sources), strict=True):
            for item, event in zip(chunk, events, strict=True):
                self._producer.produce(self._job.out, event, item.key)
            self._producer.poll(0)
        self._producer.flush()


def main(job: Job) -> None:
    app = Application(
        broker_address=job.brokers,
        consumer_group=job.group,
        auto_offset_reset="earliest",
        processing_guarantee="at-least-once",
        commit_every=job.batch * job.concurrency * job.partitions,
        commit_interval=max(job.linger_seconds, 0.1),
        consumer_extra_config={"session.timeout.ms": int(job.session_seconds * 1000)},
        use_changelog_topics=False,
        loglevel="WARNING",
    )
    app.dataframe(app.topic(job.topic, value_deserializer="bytes", key_deserializer="bytes")).sink(
        Triage(job, threads="threads" in sys.argv)
    )
    app.run()


if __name__ == "__main__":
    main(Job.read())
