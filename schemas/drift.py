"""What is published when traffic is no longer what it was, and when it is again."""

from enum import StrEnum
from typing import Literal

from pydantic import Field

from schemas.fields import Frozen

DRIFT_EVENT = "nanotriage.drift.v1"


class DriftKind(StrEnum):
    """What is compared with what it was before."""

    LABELS = "labels"  # how a field's known labels are distributed
    CONFIDENCE = "confidence"  # how the confidences of a field's labels are distributed
    UNKNOWN = "unknown"  # the share of messages in which a field is unknown
    ESCALATED = "escalated"  # the share of messages that are escalated
    DEAD = "dead"  # the share of messages that are dead
    COST = "cost"  # what a tenant's answers cost in a time


class DriftSide(Frozen):
    """One of the two samples."""

    start_ms: int = Field(description="Milliseconds since the epoch.")
    end_ms: int
    looks: int = Field(ge=1, description="Over how many looks the counts go; they need not follow each other.")
    counts: dict[str, float] = Field(description="Messages by label, by upper bound of confidence, or by outcome; or the cost.")


class DriftEvent(Frozen):
    """An alert, or its end, with the evidence. Its key names what it is about, so the newest of a key says what is on."""

    event: Literal["nanotriage.drift.v1"]
    state: Literal["raised", "cleared"]
    because: Literal["shifted", "back", "adopted"] = Field(
        description="back: it is as it was; adopted: it has lasted so long that it is what comes from now on."
    )
    kind: DriftKind
    task: str
    tenant: str | None
    model: str | None = Field(description="Null for what a tenant's answers cost, whichever models they are of.")
    field: str | None = Field(description="The task's field, or the cost's unit.")
    since_ms: int = Field(description="End of the look at which the alert was raised.")
    at_ms: int = Field(description="End of the look at which this was decided.")
    trusted_from_ms: int = Field(description="What was before it is not compared with any more.")
    now: DriftSide
    before: DriftSide
    measure: Literal["stability_index", "times"]
    size: float = Field(description="How far now is from before, by the measure.")
    size_limit: float
    evidence: float = Field(description="Common logarithm of the evidence that they differ at all.")
    evidence_needed: float
