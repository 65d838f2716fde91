"""What we publish, versioned. The JSON Schemas in `schemas/published/` are made from these models and compared in tests.

Values are JSON; attributes travel as CloudEvents 1.0 headers (Kafka binary mode: `ce_id`, `ce_source`, `ce_type`, ...),
provenance as `nt_` headers (source topic, partition and offset, attempts, the model and the prompt's hash if one was asked),
the sender's W3C `traceparent` and `tracestate` as they came, none if there was none. A dead letter's value is the original
record's bytes, its original headers keep their values under `orig_` names, and everything we know stands in headers.
"""

import hashlib
import uuid
from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, Field

from schemas.control import ControlAck, FleetControl, TaskControl
from schemas.drift import DriftEvent
from schemas.fields import Frozen
from schemas.verdict import Doubt, SignalKind

VERSION = 1
ORIGINAL_HEADER = "orig_"
NAMESPACE = uuid.UUID("6f1c7c1e-53c8-5d0a-9b0e-6d1f3f0a7c11")
_NAMESPACE_BYTES = NAMESPACE.bytes


class EventKind(StrEnum):
    """The three terminal events. Every input record ends in exactly one."""

    LABELLED = "labelled"
    ESCALATED = "escalated"
    DEAD = "dead"

    @property
    def event_type(self) -> str:
        """The CloudEvents type."""
        return f"nanotriage.{self.value}.v{VERSION}"


class EventIds:
    """The ids of the events of one input partition: UUIDv5 (RFC 9562).

    `stream` names the cluster and the stream's epoch, a number to raise when a topic is made anew.
    """

    def __init__(self, stream: str, topic: str, partition: int) -> None:
        name = f"{stream}/{topic}/{partition}/"
        self._digest = hashlib.sha1(_NAMESPACE_BYTES + name.encode(), usedforsecurity=False)

    def of(self, offset: int, kind: EventKind) -> str:
        """Return the id of one input record's event: the same whenever it is made, so that sinks can upsert."""
        # As `uuid.uuid5` does, at a fraction of its cost: once per message it shows.
        digest = self._digest.copy()
        digest.update(b"%d%b" % (offset, _KIND_BYTES[kind]))
        text = digest.hexdigest()
        return f"{text[:8]}-{text[8:12]}-5{text[13:16]}-{_VARIANT[text[16]]}{text[17:20]}-{text[20:32]}"


_KIND_BYTES = {kind: f"/{kind}/{VERSION}".encode() for kind in EventKind}
_VARIANT = {digit: "89ab"[value % 4] for value, digit in enumerate("0123456789abcdef")}


class SourceRef(Frozen):
    """The input record."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int = Field(description="The input record's timestamp, milliseconds since the epoch.")


class MessageRef(Frozen):
    """The message, as its sender names it."""

    id: str
    tenant: str | None = None
    metadata: dict[str, str] = Field(default_factory=dict)


class EarlierMessage(Frozen):
    """An earlier message of the same source partition."""

    id: str
    offset: int
    timestamp_ms: int


class FieldValue(Frozen):
    """One field. A value of null is unknown. Confidence is null where nothing is scored, never 1.0 by default."""

    value: Any = Field(description="A label, a number, a text or an object such as {amount, currency}; null is unknown.")
    confidence: float | None = Field(default=None, ge=0, le=1)
    signal: SignalKind | None = Field(default=None, description="Where the confidence comes from; `band` is the model's word.")
    band: Literal["high", "medium", "low"] | None = None
    probability: float | None = Field(
        default=None, ge=0, le=1, description="That the label is right, where a calibration tells; the confidence only ranks."
    )
    written: str | None = Field(default=None, description="The value as it stands in the text, when it was normalised.")


class Provenance(Frozen):
    """Who answered, to which prompt, after how many calls."""

    model: str
    prompt: str = Field(description="Hash of the prompt's static part.")
    reply_schema: str = Field(description="Hash of the reply's JSON schema.")
    request_id: str
    batch_size: int = Field(ge=1)
    place: int = Field(ge=0, description="The message's place in its batch, from 0.")
    attempts: int = Field(ge=1, description="Calls that asked about this message.")


class AssuranceValue(Frozen):
    """How far the labels that the task's promise is about can be believed, together. Null where nothing is scored."""

    score: float | None = Field(ge=0, le=1, description="Ranks messages of one signal and calibration.")
    probability: float | None = Field(ge=0, le=1, description="That all these labels are right, by the calibration.")
    signal: SignalKind | None
    calibration: str | None = Field(description="Name of the calibration, a hash of its content.")


class UsedContext(Frozen):
    """What was known of the message's conversation when the model was asked."""

    turns: int = Field(ge=1, description="Earlier messages that stood beside the text.")
    earlier: int = Field(ge=0, description="Messages of the conversation before those; only their number was told.")
    last: EarlierMessage = Field(description="The newest of the turns: nothing later was used.")


class LabelledEvent(Frozen):
    """A message whose every label the task's rule accepts."""

    event: Literal["nanotriage.labelled.v1"]
    task: str
    task_version: int
    message: MessageRef
    source: SourceRef
    fields: dict[str, FieldValue]
    assurance: AssuranceValue | None = Field(default=None, description="Of a task with a promise.")
    context: UsedContext | None = Field(default=None, description="Of a task with a context; null where none was known.")
    provenance: Provenance


class EscalationReason(Frozen):
    """Why the message needs a stronger model or a person."""

    reason: Doubt
    field: str | None = None
    detail: str = ""


class EscalatedEvent(Frozen):
    """A message that was answered, but not beyond doubt: its text, the best answer and the reasons."""

    event: Literal["nanotriage.escalated.v1"]
    task: str
    task_version: int
    message: MessageRef
    source: SourceRef
    text: str
    fields: dict[str, FieldValue]
    assurance: AssuranceValue | None = Field(default=None, description="Of a task with a promise.")
    context: UsedContext | None = Field(default=None, description="Of a task with a context; null where none was known.")
    reasons: list[EscalationReason] = Field(min_length=1)
    provenance: Provenance


AUDIT_EVENT = "nanotriage.audit.v1"


class Claim(Frozen):
    """What a labelled event claims, and on which grounds."""

    id: str = Field(description="The labelled event's id (its header ce_id).")
    task: str
    calibration: str | None = Field(default=None, description="Name of the calibration that accepted it.")
    group: str = Field(default="*", description="The label whose own promise it is under; * is the rest.")
    labels: dict[str, str | None] = Field(description="The label of each label field; null is unknown and claims nothing.")
    probability: float | None = Field(default=None, ge=0, le=1, description="That all promised labels are right.")
    probabilities: dict[str, float] = Field(default_factory=dict, description="That a field's label is right.")


class AuditEvent(Frozen):
    """A copy of a labelled event that is put up for audit.

    Its `claim` is what must come back with a finding: who audits keeps it as it is, so that nobody has to look anything up to
    know what was claimed, with which probability, by which calibration.
    """

    event: Literal["nanotriage.audit.v1"]
    task: str
    task_version: int
    message: MessageRef
    source: SourceRef
    text: str | None = Field(description="Null when the event would have been too large with it.")
    fields: dict[str, FieldValue]
    assurance: AssuranceValue | None = Field(default=None, description="Of a task with a promise.")
    provenance: Provenance
    claim: Claim


PUBLISHED: dict[str, type[BaseModel]] = {
    "labelled.v1": LabelledEvent,
    "escalated.v1": EscalatedEvent,
    "audit.v1": AuditEvent,
    "task_control.v1": TaskControl,
    "fleet_control.v1": FleetControl,
    "control_ack.v1": ControlAck,
    "drift.v1": DriftEvent,
}


def json_schema(name: str) -> dict[str, Any]:
    """Return the published JSON Schema (2020-12) of one event or control."""
    schema = PUBLISHED[name].model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": f"nanotriage.{name}", **schema}
