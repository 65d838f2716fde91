"""Routing: a verdict becomes an event on a topic. Pure."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, assert_never

import orjson

from schemas.events import ORIGINAL_HEADER, EventIds, EventKind
from schemas.message import Context, Message
from schemas.routes import LabelRoutes
from schemas.task import Task
from schemas.verdict import (
    Assurance,
    ClaimedConfidence,
    Confidence,
    Escalated,
    FieldResult,
    Labelled,
    NotScored,
    Refusal,
    Rejected,
    SignalKind,
)
from topics.record import Headers, Outgoing, Partition, Record
from workers.probing.marks import ATTRIBUTE, Marks

_CUT_BYTES = 65_536
_JSON = ("content-type", b"application/json")
_BYTES = ("content-type", b"application/octet-stream")
_SPEC = ("ce_specversion", b"1.0")
_TRACE = ("traceparent", "tracestate")
_NAMES_RECORD = (
    ATTRIBUTE,
    "ce_specversion",
    "ce_id",
    "ce_source",
    "ce_type",
    "nt_topic",
    "nt_partition",
    "nt_offset",
    "nt_reason",
)


@dataclass(frozen=True)  # without slots: what all events of a call have in common is made once
class AnsweredBy:
    """Who answered: the call that an event comes from."""

    model: str
    prompt_hash: str
    schema_hash: str
    request_id: str
    batch_size: int

    @cached_property
    def headers(self) -> Headers:
        return (("nt_model", self.model.encode("utf-8", "replace")), ("nt_prompt", self.prompt_hash.encode()))

    @cached_property
    def provenance(self) -> Mapping[str, Any]:
        return {
            "model": self.model,
            "prompt": self.prompt_hash,
            "reply_schema": self.schema_hash,
            "request_id": self.request_id,
            "batch_size": self.batch_size,
        }


class _Origin(NamedTuple):
    """What the events of one input partition have in common."""

    ids: EventIds
    headers: Mapping[EventKind, Headers]


class Router:
    """Makes the events of one task. `stream` names the cluster and the stream's epoch (`schemas.events.EventIds`).

    With `marks` it tells probes from messages, and passes a probe's id on with its event.
    """

    def __init__(self, task: Task, stream: str, marks: Marks | None = None) -> None:
        self._task = task
        self._marks = marks
        self._stream = stream
        self._names = {kind: kind.event_type for kind in EventKind}
        self._origins: dict[Partition, _Origin] = {}

    def probe_of(self, record: Record) -> str | None:
        """Return the id of the probe that the record is, None for a message."""
        return self._marks.probe_of(record) if self._marks is not None and record.headers else None

    def answered(
        self, verdict: Labelled | Escalated, record: Record, message: Message, by: AnsweredBy, *, place: int, attempts: int
    ) -> Outgoing:
        """Return the event of an answered message."""
        kind = EventKind.LABELLED if isinstance(verdict, Labelled) else EventKind.ESCALATED
        partition = record.partition
        value: dict[str, Any] = {
            "event": self._names[kind],
            "task": self._task.name,
            "task_version": self._task.version,
            "message": {"id": message.id, "tenant": message.tenant, "metadata": message.metadata},
            "source": {
                "topic": partition.topic,
                "partition": partition.number,
                "offset": record.offset,
                "timestamp_ms": record.timestamp_ms,
            },
            "fields": {name: _field_value(result) for name, result in verdict.fields.items()},
            "provenance": {**by.provenance, "place": place, "attempts": attempts},
        }
        if self._task.context is not None:
            value["context"] = _context_value(message.context)
        if verdict.assurance is not None:
            value["assurance"] = _assurance_value(verdict.assurance)
        if isinstance(verdict, Escalated):
            value["text"] = message.text
            value["reasons"] = [{"reason": r.doubt, "field": r.field, "detail": r.detail} for r in verdict.reasons]
        topic = self._topic(verdict)
        return Outgoing(topic, message.key, orjson.dumps(value), self._headers(kind, record, attempts, by))

    def dead(self, rejected: Rejected, record: Record, *, attempts: int, by: AnsweredBy | None = None) -> Outgoing:
        """Return the dead letter of a record: its own bytes and headers, why, and who was asked if anybody was."""
        headers = (
            *self._headers(EventKind.DEAD, record, attempts, by),
            ("nt_reason", rejected.refusal.value.encode()),
            ("nt_detail", rejected.detail.encode("utf-8", "replace")[:1_000]),
            ("nt_timestamp_ms", str(record.timestamp_ms).encode()),
            *((ORIGINAL_HEADER + name, value) for name, value in record.headers),
        )
        return Outgoing(self._task.routes.dead, record.key, record.value, headers)

    def _topic(self, verdict: Labelled | Escalated) -> str:
        routes = self._task.routes
        match verdict:
            case Escalated():
                return routes.escalated
            case Labelled(fields=fields):
                labelled = routes.labelled
                if isinstance(labelled, LabelRoutes):
                    return labelled.topics.get(fields[labelled.field].value, labelled.otherwise)
                return labelled
            case _:
                assert_never(verdict)

    def _headers(self, kind: EventKind, record: Record, attempts: int, by: AnsweredBy | None) -> Headers:
        origin = self._origins.get(record.partition) or self._new_origin(record.partition)
        headers: Headers = (
            _SPEC,
            ("ce_id", origin.ids.of(record.offset, kind).encode()),
            *origin.headers[kind],
            ("nt_offset", b"%d" % record.offset),
            ("nt_attempts", b"%d" % attempts),
            *(by.headers if by is not None else ()),
        )
        if record.headers:
            headers += tuple((name, value) for name, value in record.headers if name in _TRACE)
            if (probe := self.probe_of(record)) is not None:
                headers += ((ATTRIBUTE, probe.encode()),)
        return headers

    def _new_origin(self, partition: Partition) -> _Origin:
        source = ("ce_source", f"/nanotriage/{self._task.name}".encode())
        place = (("nt_topic", partition.topic.encode()), ("nt_partition", b"%d" % partition.number))
        headers = {
            kind: (source, ("ce_type", name.encode()), _BYTES if kind is EventKind.DEAD else _JSON, *place)
            for kind, name in self._names.items()
        }
        origin = self._origins[partition] = _Origin(EventIds(self._stream, partition.topic, partition.number), headers)
        return origin


class Shrinker:
    """Makes an event smaller that the log calls too large. Never gives one up: a record owes an event.

    An answered event becomes a dead letter without a value. A dead letter loses, one call at a time: what is beyond 64 KiB
    of its value and the original headers, the value, the key, and every header that does not name its record. What was left
    out of the value is told by size and SHA-256.
    """

    def __init__(self, dead_topics: Mapping[str, str]) -> None:
        self._dead_topics = dead_topics

    def __call__(self, event: Outgoing) -> Outgoing:
        dead = self._dead_topics.get(event.topic, event.topic)
        headers = tuple((n, v) for n, v in event.headers if not n.startswith(ORIGINAL_HEADER) and n not in _TRACE)
        if dead != event.topic:
            dead_type = ("ce_type", EventKind.DEAD.event_type.encode())
            headers = tuple(dead_type if name == "ce_type" else (name, v) for name, v in headers)
            headers += (("nt_reason", Refusal.EVENT_TOO_LARGE.value.encode()), *_told(event))
            return Outgoing(dead, event.key, None, headers)
        told = headers if event.value is None else headers + _told(event)
        shortened = event.value[:_CUT_BYTES] if event.value is not None else None
        smaller_ones = (
            Outgoing(dead, event.key, shortened, headers if shortened == event.value else told),
            Outgoing(dead, event.key, None, told),
            Outgoing(dead, None, None, told),
            Outgoing(dead, None, None, tuple((n, v) for n, v in headers if n in _NAMES_RECORD)),
        )
        return next((smaller for smaller in smaller_ones if _size(smaller) < _size(event)), event)


def dead_topics(task: Task) -> dict[str, str]:
    """Return the dead-letter topic for each topic the task publishes to."""
    return dict.fromkeys(task.routes.topics(), task.routes.dead)


def _told(event: Outgoing) -> Headers:
    if any(name == "nt_cut_bytes" for name, _ in event.headers):
        return ()  # of the whole value, when it was first cut
    value = event.value or b""
    return (("nt_cut_bytes", b"%d" % len(value)), ("nt_cut_sha256", hashlib.sha256(value).hexdigest().encode()))


def _size(event: Outgoing) -> int:
    headers = sum(len(name.encode()) + len(value) for name, value in event.headers)
    return len(event.key or b"") + len(event.value or b"") + headers


def _context_value(context: Context | None) -> dict[str, Any] | None:
    if context is None:
        return None
    last = {"id": context.last_id, "offset": context.last_offset, "timestamp_ms": context.last_time_ms}
    return {"turns": len(context.turns), "earlier": context.earlier, "last": last}


def _assurance_value(assurance: Assurance) -> dict[str, Any]:
    return {
        "score": assurance.score,
        "probability": None if assurance.probability is None else round(assurance.probability, 6),
        "signal": assurance.signal,
        "calibration": assurance.calibration,
    }


def _field_value(result: FieldResult) -> dict[str, Any]:
    value: dict[str, Any]
    match result.signal:
        case None | NotScored():
            value = {"value": result.value, "confidence": None}
        case Confidence(probability=probability, kind=kind):
            value = {"value": result.value, "confidence": round(probability, 6), "signal": kind}
        case ClaimedConfidence(band=band):
            value = {"value": result.value, "confidence": None, "signal": SignalKind.BAND, "band": band}
        case _:
            assert_never(result.signal)
    if result.probability is not None:
        value["probability"] = round(result.probability, 6)
    if result.written is not None and result.written != result.value:
        value["written"] = result.written
    return value
