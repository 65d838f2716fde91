"""The keeper of conversations: reads a task's source, keeps each conversation's window, publishes it to the context topic.

The context topic is the table's changelog, so what is published and what is recovered cannot differ. A record's receipt is
given back only when its window is in the log: after a kill the last records are read again, and change nothing
(`workers.remembering.window`). Requests to forget come on a topic of their own, to every partition, and name a conversation
or a customer by its SHA-256, so that a request is no copy of what it erases.
"""

from collections.abc import Callable, Mapping
from typing import Any

import faust
import orjson

from topics.record import Partition, Record
from workers.logs import bind
from workers.remembering.wire import MARKER, digest_of, from_bytes, marker_of
from workers.stateful.application import Storage, table_options
from workers.stateful.keeper import Keeper
from workers.stateful.silence import Silence

_LOG = bind("nanotriage.conversations")


def conversations(app: faust.App, keeper: Keeper, storage: Storage, partitions: int, now_ms: Callable[[], int]) -> faust.App:
    """Give the application its table and its agents. The source has so many partitions, and so have the context's topics."""
    rule = keeper.rule
    raw: dict[str, Any] = {"key_serializer": "raw", "value_serializer": "raw", "key_type": bytes, "value_type": bytes}
    source = app.topic(keeper.task.source.topic, allow_empty=True, **raw)
    requests = app.topic(rule.forget_topic, **raw)
    table = app.Table(
        "conversations",
        key_type=bytes,
        value_type=bytes,
        partitions=partitions,
        changelog_topic=app.topic(rule.topic, internal=True, acks=False, allow_empty=True, partitions=partitions, **raw),
        options=dict(table_options(storage, rule.ttl_hours * 3600)),
    )
    log, silence = _TableLog(table), Silence(keeper.bounds.ttl_ms)

    async def remember(stream: Any) -> None:
        async for event in stream.noack().events():
            record = record_of(event.message)
            said = keeper.turn(record)
            if said is None:
                keeper.counts.no_turn += 1
                event.ack()
                continue
            value = keeper.after(table.data.get(said.key), [table.data.get(marker) for marker in said.markers()], said)
            if value is None:
                event.ack()
            else:
                log.put(event, said.key, value)

    async def forget(stream: Any) -> None:
        async for event in stream.noack().events():
            digest = orjson.loads(event.message.value)["sha256"]
            for key in _whose(table, digest):
                log.delete(key, partitions)
                if digest_of(key) != digest:  # a customer's: turns of others in it may be read again
                    log.mark(digest_of(key), event.message.value, partitions)
            log.put(event, marker_of(digest), event.message.value)

    app.agent(source, name="remember")(remember)
    app.agent(requests, name="forget")(forget)
    if storage.store == "memory":  # RocksDB drops what is silent by itself
        app.timer(interval=60.0, name="sweep")(lambda: _sweep(table, silence, now_ms()))
    app.timer(interval=60.0, name="say")(lambda: _say(keeper))
    return app


def record_of(message: Any) -> Record:
    """Return our record for one of faust's messages."""
    place = Partition(message.topic, message.partition)
    told = message.headers or ()
    pairs = told.items() if isinstance(told, Mapping) else told
    headers = tuple((name, value or b"") for name, value in pairs)
    return Record(place, message.offset, message.key, message.value, headers, round(message.timestamp * 1000))


class _TableLog:
    """Writes to the table and its log; a record's receipt is given back when what it changed is acknowledged."""

    def __init__(self, table: Any) -> None:
        self._table = table

    def put(self, event: Any, key: bytes, value: bytes) -> None:
        sent = self._table.send_changelog(event.message.partition, key, value, "raw", "raw")
        self._table.data[key] = value
        sent.add_done_callback(lambda done: None if done.cancelled() or done.exception() else event.ack())

    def delete(self, key: bytes, partitions: int) -> None:
        """Write a tombstone to every partition: a store does not tell in which of this process's a key was found."""
        for partition in range(partitions):
            self._table.send_changelog(partition, key, None, "raw", "raw")
        self._table.data.pop(key, None)

    def mark(self, digest: str, request: bytes, partitions: int) -> None:
        """Write the marker of what was forgotten to every partition."""
        for partition in range(partitions):
            self._table.send_changelog(partition, marker_of(digest), request, "raw", "raw")
        self._table.data[marker_of(digest)] = request


def _whose(table: Any, digest: str) -> list[bytes]:
    """Return the keys of the conversation, or of every conversation of the customer, that has this digest.

    Of the partition whose record is handled; a store in memory does not tell partitions apart, and gives those of all.
    """
    part = digest.encode()
    found = [
        key
        for key, value in table.data.items()
        if not key.startswith(MARKER) and (digest_of(key) == digest or (part in value and _names(value, digest)))
    ]
    return [key for key in found if table.data.get(key) is not None]


def _names(value: bytes, digest: str) -> bool:
    conversation = from_bytes(value)
    return conversation is not None and digest in conversation.customers


async def _sweep(table: Any, silence: Silence, now_ms: int) -> None:
    """Leave out of memory what is silent. Nothing is written: the topic's own retention removes it there."""
    for key in silence.over(table.data, now_ms):
        table.data.pop(key, None)


async def _say(keeper: Keeper) -> None:
    counts = keeper.counts
    _LOG.info(
        "conversations",
        task=keeper.task.name,
        turns=counts.turns,
        unchanged=counts.unchanged,
        no_turn=counts.no_turn,
        forgotten=counts.forgotten,
    )
