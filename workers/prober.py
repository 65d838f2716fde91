"""The prober: sends probes to every source partition in turn and reads the task's topics as nobody's consumer.

It sees what any consumer downstream sees: committed events. So a partition whose lane is stuck, a model that has changed its
mind and an event that is published twice all show, whoever is at fault.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Literal, get_args

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaConnectionError, KafkaError

from schemas.task import Task
from topics import provision
from topics.connection import Connection, client_options
from topics.errors import LogUnavailable, missing_topic
from topics.kafka.faults import log_error, why_unreachable
from topics.provision import WantedTopic
from topics.record import Partition
from workers.probing.book import Book, Found, Result, Sent
from workers.probing.items import Item, value_of
from workers.probing.marks import ATTRIBUTE, Marks

_POLL_MS = 100
_KINDS = {f"nanotriage.{kind}.v1": kind for kind in get_args(Literal["labelled", "escalated", "dead"])}


@dataclass(frozen=True, slots=True)
class Plan:
    """What is sent, how often, and when it counts as missing, in seconds."""

    task: Task
    items: Sequence[Item]
    marks: Marks
    every: float
    timeout: float


@dataclass(slots=True)
class Prober:
    """One prober. `told` hears of every result, `waits` how many are under way; `name` makes its ids its own."""

    plan: Plan
    name: str
    clock: Callable[[], float]
    told: Callable[[Result], None]
    waits: Callable[[int], None]
    book: Book = field(init=False)
    _numbers: Iterator[int] = field(default_factory=count)

    def __post_init__(self) -> None:
        self.book = Book(self.plan.timeout)

    async def run(self, connection: Connection, stop: asyncio.Event) -> None:
        """Probe one partition after the other until told to stop. Raises topics.errors.LogError."""
        async with self._clients(connection) as (producer, consumer, places):
            due = self.clock()
            while not stop.is_set():
                if self.clock() >= due and not self.book.full:
                    number = next(self._numbers)
                    await self._send(producer, places[number % len(places)], number)
                    due = max(due + self.plan.every, self.clock())
                await self._read(consumer)

    async def once(self, connection: Connection) -> None:
        """Probe every partition once, and return when each has its result. Raises topics.errors.LogError."""
        async with self._clients(connection) as (producer, consumer, places):
            for place in places:
                await self._send(producer, place, next(self._numbers))
            while self.book.waiting:
                await self._read(consumer)

    async def _send(self, producer: Any, place: Partition, number: int) -> None:
        item = self.plan.items[number % len(self.plan.items)]
        probe_id, value = f"{self.name}-{number}", value_of(item, self.plan.task)
        self.book.send(Sent(probe_id, item, place, self.clock()))
        headers = [self.plan.marks.header(probe_id, value)]
        await producer.send_and_wait(place.topic, value, probe_id.encode(), partition=place.number, headers=headers)

    async def _read(self, consumer: Any) -> None:
        found = await consumer.getmany(timeout_ms=_POLL_MS)
        now = self.clock()
        for record in (record for records in found.values() for record in records):
            headers = dict(record.headers)
            kind = _KINDS.get(headers.get("ce_type", b"").decode(errors="replace"))
            if ATTRIBUTE in headers and kind is not None:
                result = self.book.take(headers[ATTRIBUTE].decode(errors="replace"), found_of(kind, record.value), now)
                if result is not None:
                    self.told(result)
        for result in self.book.overdue(now):
            self.told(result)
        self.waits(self.book.waiting)

    @asynccontextmanager
    async def _clients(self, connection: Connection) -> AsyncIterator[tuple[Any, Any, list[Partition]]]:
        task = self.plan.task
        names = [task.source.topic, *sorted(task.routes.topics())]
        have = await provision.read_topics(connection, [WantedTopic(name, 1, 1) for name in names])
        if missing := [name for name in names if name not in have]:
            raise missing_topic(missing[0])
        producer = AIOKafkaProducer(**client_options(connection), acks="all", enable_idempotence=True)
        consumer = AIOKafkaConsumer(
            **client_options(connection), group_id=None, enable_auto_commit=False, isolation_level="read_committed"
        )
        try:
            async with asyncio.timeout(provision.APPLY_SECONDS):
                await producer.start()
                await consumer.start()
                outcomes = [TopicPartition(name, n) for name in names[1:] for n in range(have[name].partitions)]
                consumer.assign(outcomes)
                for place, end in (await consumer.end_offsets(outcomes)).items():
                    consumer.seek(place, end)
            yield producer, consumer, [Partition(names[0], number) for number in range(have[names[0]].partitions)]
        except TimeoutError as error:
            raise LogUnavailable(f"no broker answered in {provision.APPLY_SECONDS:.0f} seconds") from error
        except KafkaConnectionError as error:
            raise await why_unreachable(connection) from error
        except KafkaError as error:
            raise log_error(error, "probing") from error
        finally:
            await producer.stop()
            await consumer.stop()


def found_of(kind: Literal["labelled", "escalated", "dead"], value: bytes | None) -> Found:
    """Return what an event says of labels; nothing for a dead letter, and for one whose value was cut."""
    try:
        fields = {} if kind == "dead" else orjson.loads(value or b"{}").get("fields", {})
    except orjson.JSONDecodeError:
        fields = {}
    return Found(kind, {name: one.get("value") for name, one in fields.items()})
