"""What goes on beside the faults: messages are sent throughout, events are read as they come, commits are sampled."""

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Self

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from tests.broker.stage import Stage, record_of, ticket
from tests.chaos.recovery import Sample
from tests.checker import digest
from topics.commit_map import decode
from topics.record import Committed, Partition, Record

KEYS = 2_000
_TICK_SECONDS = 0.05
_SAMPLE_SECONDS = 1.0
# What a judge reads of an event; the rest of the headers would double what a run of many messages holds in memory.
_HEADERS = frozenset({"ce_id", "ce_type", "nt_topic", "nt_partition", "nt_offset", "nt_reason", "nt_cut_sha256"})


@dataclass(slots=True)
class Load:
    """Sends tickets at a steady rate, idempotently, and knows which of them the brokers acknowledged."""

    stage: Stage
    rate: float
    messages: int
    sent: int = 0
    acknowledged: set[int] = field(default_factory=set)
    refused: list[str] = field(default_factory=list)

    async def run(self) -> None:
        """Send all, and wait for the acknowledgements. What an outage kept back is sent as fast as possible after it."""
        producer = AIOKafkaProducer(
            bootstrap_servers=self.stage.bootstrap,
            enable_idempotence=True,
            linger_ms=10,
            metadata_max_age_ms=5_000,
            request_timeout_ms=60_000,
        )
        await producer.start()
        started = time.monotonic()
        try:
            while self.sent < self.messages:
                due = min(self.messages, int(self.rate * (time.monotonic() - started)))
                while self.sent < due:
                    await self._send(producer)
                await asyncio.sleep(_TICK_SECONDS)
            await producer.flush()
        finally:
            await producer.stop()

    async def _send(self, producer: AIOKafkaProducer) -> None:
        number = self.sent
        record = ticket(number, KEYS)
        future = await producer.send(self.stage.source, record.value, record.key)
        self.sent += 1

        def answered(future: "asyncio.Future[object]") -> None:
            if future.cancelled() or future.exception() is not None:
                self.refused.append(f"{number}: {future.exception()!r}")
            else:
                self.acknowledged.add(number)

        future.add_done_callback(answered)


class Tail:
    """Reads the output topics, read_committed, from the beginning and as events come. An async context manager."""

    def __init__(self, stage: Stage, keep: Callable[[Record], object]) -> None:
        self._stage = stage
        self._keep = keep
        self._found: dict[Partition, list[object]] = {place: [] for place in stage.output_places()}
        self._reader = AIOKafkaConsumer(
            bootstrap_servers=stage.bootstrap,
            isolation_level="read_committed",
            enable_auto_commit=False,
            request_timeout_ms=10_000,
        )
        self._places = [TopicPartition(place.topic, place.number) for place in stage.output_places()]
        self._task: asyncio.Task[None] | None = None

    async def finish(self) -> Mapping[Partition, list[object]]:
        """Return what was kept of each record, by partition and in order, once the ends of now are read."""
        ends = await self._reader.end_offsets(self._places)
        async with asyncio.timeout(60):
            while any([await self._reader.position(place) < ends[place] for place in self._places]):
                if self._task is not None and self._task.done():
                    self._task.result()
                await asyncio.sleep(_TICK_SECONDS)
        return self._found

    async def _read(self) -> None:
        while True:
            for records in (await self._reader.getmany(timeout_ms=200)).values():
                for record in records:
                    read = record_of(record)
                    self._found[read.partition].append(self._keep(read))

    async def __aenter__(self) -> Self:
        await self._reader.start()
        self._reader.assign(self._places)
        await self._reader.seek_to_beginning()
        self._task = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
        await self._reader.stop()


def slim(record: Record) -> Record:
    """Return the record with those headers only that are judged."""
    headers = tuple(header for header in record.headers if header[0] in _HEADERS)
    return Record(record.partition, record.offset, record.key, record.value, headers, record.timestamp_ms)


def offset_and_digest(record: Record) -> tuple[int, int]:
    return record.offset, digest(record)


@dataclass(slots=True)
class Sampler:
    """Asks now and then what is committed. `stage` is asked for anew each time: partitions are added."""

    stage: Callable[[], Stage]
    load: Load
    clock: Callable[[], float]
    samples: list[Sample] = field(default_factory=list)
    history: list[Committed] = field(default_factory=list)
    _known: int = 0  # partitions with a commit: a coordinator that loads tells of fewer

    async def run(self) -> None:
        """Sample until cancelled. While the coordinator moves there is no answer, hence no sample."""
        while True:
            with suppress(KafkaError, OSError, TimeoutError):
                await self.done()
            await asyncio.sleep(_SAMPLE_SECONDS)

    async def done(self) -> int:
        """Return how many messages are done, and keep that as a sample; 0 for an answer that leaves partitions out."""
        async with asyncio.timeout(5):
            found = [kept for kept in (await self.stage().committed()).values() if kept is not None]
        if len(found) < self._known:
            return 0
        self._known = len(found)
        self.history += found
        self.samples.append(Sample(self.clock(), sum(done_of(kept) for kept in found), self.load.sent))
        return self.samples[-1].done


def done_of(kept: Committed) -> int:
    """Return how many records are done in a partition whose offsets have no gaps."""
    above = decode(kept.position.offset, kept.metadata)
    return kept.position.offset + (len(above) if isinstance(above, frozenset) else 0)
