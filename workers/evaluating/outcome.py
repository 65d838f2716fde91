"""Outcomes: what became of each input, read back from the events as published. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson

from schemas.events import EventKind
from schemas.verdict import Assurance, SignalKind
from topics.record import Headers

_KINDS = {kind.event_type.encode(): kind for kind in EventKind}


class Origin(NamedTuple):
    """The input record an event tells of."""

    topic: str
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class Answered:
    """What an event of an answered message says of its labels: all doubts, confidences by field, assurance, who answered."""

    doubts: tuple[str, ...]
    confidences: Mapping[str, float]
    probabilities: Mapping[str, float]
    assurance: Assurance | None
    model: str
    prompt: str
    reply_schema: str
    batch_size: int
    place: int


@dataclass(frozen=True, slots=True)
class Event:
    """A published event. `reason` is the first one of an escalation, that of a dead letter, and None of a labelled event."""

    origin: Origin
    kind: EventKind
    fields: Mapping[str, Any]
    reason: str | None
    answered: Answered | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one message; `message_id` None is an input without an id, which no gold label can name."""

    message_id: str | None
    kind: EventKind
    fields: Mapping[str, Any]
    reason: str | None
    answered: Answered | None = None


def origin_of(headers: Headers) -> Origin | None:
    """Return which record an event tells of, or None for a record that is no event of ours."""
    named = dict(headers)
    try:
        return Origin(named["nt_topic"].decode(), int(named["nt_partition"]), int(named["nt_offset"]))
    except (KeyError, ValueError):
        return None


def read_event(headers: Headers, value: bytes | None) -> Event | None:
    """Return the event, with its fields' values by name, or None for a record that is no event of ours."""
    named, origin = dict(headers), origin_of(headers)
    kind = _KINDS.get(named.get("ce_type", b""))
    if origin is None or kind is None:
        return None
    if kind is EventKind.DEAD:
        return Event(origin, kind, {}, named.get("nt_reason", b"").decode("utf-8", "replace"))
    body = orjson.loads(value or b"{}")
    fields = {name: field["value"] for name, field in body["fields"].items()}
    doubts = tuple(each["reason"] for each in body.get("reasons", ()))
    return Event(origin, kind, fields, doubts[0] if doubts else None, _answered(body, doubts))


def outcome(event: Event, message_id: str | None) -> Outcome:
    """Return the event as the outcome of the message that was sent at its origin."""
    return Outcome(message_id, event.kind, event.fields, event.reason, event.answered)


def _answered(body: Mapping[str, Any], doubts: tuple[str, ...]) -> Answered:
    said, by = body.get("assurance"), body["provenance"]
    return Answered(
        doubts=doubts,
        confidences=_numbers(body["fields"], "confidence"),
        probabilities=_numbers(body["fields"], "probability"),
        assurance=said and Assurance(said["score"], said["probability"], said["signal"] and SignalKind(said["signal"])),
        model=by["model"],
        prompt=by["prompt"],
        reply_schema=by["reply_schema"],
        batch_size=by["batch_size"],
        place=by["place"],
    )


def _numbers(fields: Mapping[str, Any], key: str) -> dict[str, float]:
    return {name: field[key] for name, field in fields.items() if field.get(key) is not None}
