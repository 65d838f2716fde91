"""The erasure itself.

The keeper of conversations writes the context's tombstones, because it would else publish the windows anew from its table; it
is asked through a topic, by a digest, and answers with a marker in the context topic. A turn that was said before the request
and is read again is not kept then. Events are erased where their topic is compacted; where it is not, only the topic's
retention erases them, and that is said. What workers publish later of messages from before the request is not seen.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from schemas.context import ContextRule
from schemas.task import Task
from topics import provision
from topics.connection import Connection, client_options
from topics.errors import missing_topic
from topics.kafka.faults import log_errors
from topics.provision import LogTopic, WantedTopic
from topics.record import Record
from workers.forgetting.request import Request
from workers.forgetting.traces import Conversations, Traces
from workers.remembering.wire import marker_of

_POLL_MS = 200
_ASKED = {"cleanup.policy": "", "retention.ms": ""}


class Sees(Protocol):
    """Whatever is shown records."""

    def see(self, records: Iterable[Record]) -> None: ...


Scan = Callable[[Sequence[str], Sees], Awaitable[None]]
"""Shows every record of these topics as they stand. Raises topics.errors.LogError."""


@dataclass(frozen=True, slots=True)
class Row:
    """What became of one topic: tombstones written, not asked for by anybody yet, or left to the topic's retention."""

    topic: str
    outcome: Literal["erased", "waiting", "kept"]
    detail: str


async def forget(
    connection: Connection, task: Task, rule: ContextRule, request: Request, scan: Scan, wait_seconds: float
) -> list[Row]:
    """Ask for the conversations' tombstones and write those of their events. Raises topics.errors.LogError."""
    copies = {task.routes.audit} - {None}
    routes = sorted(topic for topic in task.routes.topics() | copies if topic is not None)
    names = [rule.topic, rule.forget_topic, *routes]
    have = await provision.read_topics(connection, [WantedTopic(name, 1, 1, _ASKED) for name in names])
    if missing := [name for name in names if name not in have]:
        raise missing_topic(missing[0])
    compacted = [name for name in routes if _is_compacted(have[name])]
    theirs = Conversations(task, rule, request)
    if request.customer:
        await scan([rule.topic, *compacted], theirs)
    async with _clients(connection) as (producer, consumer):
        await _watch_from_end(consumer, have[rule.topic])
        for partition in range(have[rule.forget_topic].partitions):
            await producer.send_and_wait(rule.forget_topic, request.body(), partition=partition)
        traces = Traces(task, rule, request, frozenset(theirs.digests))
        await scan(compacted, traces)
        rows = [await _erased(producer, have[topic], traces.keys(topic)) for topic in routes]
        answered = await _answers(consumer, request, have[rule.topic].partitions, wait_seconds)
    return [_context_row(have[rule.topic], answered), *rows]


def _context_row(topic: LogTopic, answered: int) -> Row:
    if answered < topic.partitions:
        said = f"the keeper has answered for {answered} of {topic.partitions} partitions; the request waits for it in its topic"
        return Row(topic.name, "waiting", said)
    return Row(topic.name, "erased", "gone after the next compaction")


def _is_compacted(topic: LogTopic) -> bool:
    return "compact" in (topic.config.get("cleanup.policy") or "")


async def _erased(producer: Any, topic: LogTopic, keys: Sequence[tuple[int, bytes]]) -> Row:
    if not _is_compacted(topic):
        kept = topic.config.get("retention.ms")
        return Row(topic.name, "kept", f"not compacted: what is there stays until retention.ms={kept} has passed")
    await asyncio.gather(*[await producer.send(topic.name, None, key, partition=number) for number, key in keys])
    return Row(topic.name, "erased", f"{len(keys)} tombstones; gone after the next compaction")


async def _watch_from_end(consumer: Any, topic: LogTopic) -> None:
    places = [TopicPartition(topic.name, number) for number in range(topic.partitions)]
    consumer.assign(places)
    for place, end in (await consumer.end_offsets(places)).items():
        consumer.seek(place, end)


async def _answers(consumer: Any, request: Request, partitions: int, wait_seconds: float) -> int:
    """Return how many partitions' markers of this request came in time."""
    marker, answered = marker_of(request.digest), set[int]()
    try:
        async with asyncio.timeout(wait_seconds):
            while len(answered) < partitions:
                answered |= _answered(await consumer.getmany(timeout_ms=_POLL_MS), marker, request.id)
    except TimeoutError:
        pass
    return len(answered)


def _answered(found: Mapping[Any, Sequence[Any]], marker: bytes, name: str) -> set[int]:
    rows = (record for records in found.values() for record in records if record.key == marker and record.value)
    return {record.partition for record in rows if orjson.loads(record.value).get("id") == name}


@asynccontextmanager
async def _clients(connection: Connection) -> Any:
    options = client_options(connection)
    producer = AIOKafkaProducer(**options, acks="all", enable_idempotence=True)
    consumer = AIOKafkaConsumer(**options, group_id=None, enable_auto_commit=False)
    try:
        async with log_errors("connecting", connection, provision.APPLY_SECONDS):
            await producer.start()
            await consumer.start()
        async with log_errors("erasing", connection):
            yield producer, consumer
    finally:
        await producer.stop()
        await consumer.stop()
