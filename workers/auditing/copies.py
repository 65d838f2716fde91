"""Copies: a labelled event becomes the audit event beside it. Pure."""

from typing import Any

import orjson

from schemas.events import AUDIT_EVENT, Claim
from schemas.message import Message
from schemas.promise import REST
from schemas.task import Task
from schemas.verdict import Labelled
from topics.record import Headers, Outgoing

_OURS = ("ce_", "nt_")


def claim_of(task: Task, labelled: Labelled, event_id: str) -> Claim:
    """Return what the labelled event of this id claims."""
    results = {name: labelled.fields[name] for name in task.classified()}
    grouped = task.promise.labels if task.promise else None
    label = results[grouped.field].value if grouped else None
    assurance = labelled.assurance
    return Claim(
        id=event_id,
        task=task.name,
        calibration=assurance.calibration if assurance else None,
        group=label if grouped is not None and label in grouped.errors else REST,
        labels={name: result.value for name, result in results.items()},
        probability=_short(assurance.probability) if assurance else None,
        probabilities={name: p for name, result in results.items() if (p := _short(result.probability)) is not None},
    )


def audit_copy(topic: str, event: Outgoing, claim: Claim, message: Message) -> Outgoing:
    """Return the audit event of a labelled one: its value with text and claim, its headers with an id of its own."""
    value: dict[str, Any] = orjson.loads(event.value or b"{}")
    value |= {"event": AUDIT_EVENT, "text": message.text, "claim": claim.model_dump(mode="json")}
    own = {"ce_id": f"{claim.id}/audit".encode(), "ce_type": AUDIT_EVENT.encode()}
    headers = tuple((name, own.get(name, content)) for name, content in event.headers)
    return Outgoing(topic, event.key, orjson.dumps(value), headers)


def event_id_of(headers: Headers) -> str:
    """Return an event's id."""
    return next(content.decode() for name, content in headers if name == "ce_id")


def without_text(event: Outgoing) -> Outgoing:
    """Return an audit event that the log calls too large without its text, and after that nothing but our own headers.

    Those that were passed on from the message (`tracestate`) may be of any size, and one that stayed too large would hold up
    its partition for ever.
    """
    value = orjson.loads(event.value) if event.value else {}
    if value.get("text") is None:
        return Outgoing(event.topic, None, None, tuple(h for h in event.headers if h[0].startswith(_OURS)))
    return Outgoing(event.topic, event.key, orjson.dumps(value | {"text": None}), event.headers)


def _short(probability: float | None) -> float | None:
    return None if probability is None else round(probability, 6)
