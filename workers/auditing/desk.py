"""The auditor's desk: what a task has put up and found lies in its topics; this reads it and writes findings."""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass

import orjson

from schemas.auditing import Finding, Note, Resumption
from schemas.events import Claim
from topics.errors import LogRefused
from topics.log import Log
from topics.record import Committed, Outgoing, Partition, Position, Record
from workers.auditing.following import read_note

_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class PutUp:
    """One audited message: what was claimed, and what an auditor needs to judge it. `text` None was too large."""

    claim: Claim
    message_id: str
    text: str | None


async def notes(log: Log, topic: str, read: Callable[[int], None]) -> Sequence[Note]:
    """Return the notes of a findings topic, in order. `read` hears of records. Raises topics.errors.LogError."""
    return [note async for record in _records(log, topic, read) if (note := read_note(record.value)) is not None]


async def put_up(
    log: Log, topic: str, task: str, wanted: Callable[[str], bool], read: Callable[[int], None]
) -> AsyncGenerator[PutUp, None]:
    """Give the task's audited messages whose event ids are wanted, each once. Raises topics.errors.LogError."""
    seen: set[str] = set()
    async with aclosing(_records(log, topic, read)) as records:
        async for record in records:
            found = _put_up(record, task)
            if found is not None and found.claim.id not in seen and wanted(found.claim.id):
                seen.add(found.claim.id)
                yield found


async def tell(log: Log, topic: str, name: str, said: Sequence[Finding | Resumption]) -> None:
    """Publish notes, in transactions under this name, which nobody else uses. Raises topics.errors.LogError."""
    place = Position.restored(Partition(topic, 0), 0)
    writer = log.writer(name, name)
    try:
        await writer.open()
        for start in range(0, len(said), _AT_ONCE):
            records = [
                Outgoing(topic, None, orjson.dumps(note.model_dump(mode="json")), (("content-type", b"application/json"),))
                for note in said[start : start + _AT_ONCE]
            ]
            await writer.commit(records, Committed(place, ""))
    finally:
        writer.discard()


async def _records(log: Log, topic: str, read: Callable[[int], None]) -> AsyncGenerator[Record, None]:
    partitions = await log.partitions(topic)
    if not partitions:
        raise LogRefused(f"topic {topic} does not exist: create it with `nanotriage topics apply`")
    async with log.reader() as reader:
        for partition, end in (await reader.ends(partitions)).items():
            async for chunk in reader.read(await log.earliest(partition), end):
                for record in chunk.records:
                    yield record
                read(len(chunk.records))


def _put_up(record: Record, task: str) -> PutUp | None:
    note = read_note(record.value and _as_finding(record.value))
    if not isinstance(note, Finding) or note.claim.task != task:
        return None
    value: Mapping[str, object] = orjson.loads(record.value or b"{}")
    message, text = value.get("message"), value.get("text")
    message_id = str(message.get("id", "")) if isinstance(message, dict) else ""
    return PutUp(note.claim, message_id, text if isinstance(text, str) else None)


def _as_finding(value: bytes) -> bytes:
    """Return an audit event as a finding that has looked at nothing, so that both are read alike."""
    try:
        event = orjson.loads(value)
    except orjson.JSONDecodeError:
        return value
    return orjson.dumps(event | {"labels": {}}) if isinstance(event, dict) else value
