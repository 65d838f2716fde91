"""Bytewax: collect by key, map, a worker for each partition, recovery from its own store (it has no consumer group)."""

import sys
from datetime import timedelta
from pathlib import Path

import bytewax.operators as op
from bytewax.connectors.kafka import KafkaSinkMessage
from bytewax.connectors.kafka import operators as kafka
from bytewax.dataflow import Dataflow
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.run import cli_main

from tests.bench.peers.common import Job, Model, Source


def flow_of(job: Job) -> Dataflow:
    model = Model(job)
    flow = Dataflow("bench")

    def ask(keyed) -> list[KafkaSinkMessage]:
        _, records = keyed
        events = model.ask([Source(record.partition, record.offset, record.value) for record in records])
        return [KafkaSinkMessage(record.key, event) for record, event in zip(records, events, strict=True)]

    records = kafka.input("records", flow, brokers=[job.brokers], topics=[job.topic])
    keyed = op.key_on("partition", records.oks, lambda record: str(record.partition))
    batches = op.collect("batches", keyed, timeout=timedelta(seconds=job.linger_seconds), max_size=job.batch)
    kafka.output("events", op.flat_map("model", batches, ask), brokers=[job.brokers], topic=job.out)
    return flow


def main() -> None:
    store = Path(f"{sys.argv[-1]}.recovery")
    job = Job.read()
    if not store.exists():
        store.mkdir()
        init_db_dir(store, 1)
    workers = min(job.partitions, job.concurrency)
    recovery = RecoveryConfig(str(store))
    cli_main(flow_of(job), workers_per_process=workers, epoch_interval=timedelta(seconds=1), recovery_config=recovery)


if __name__ == "__main__":
    main()
