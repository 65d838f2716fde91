"""What comes back about labelled messages: findings of auditors, alarms, and an operator's word on a task's promise."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from schemas.events import AUDIT_EVENT, Claim


class Returned(BaseModel):
    """A value that comes back from elsewhere: words it does not know are left alone."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Finding(Returned):
    """What an auditor says. An audit event with `labels` added to it is one too."""

    event: Literal["nanotriage.finding.v1", "nanotriage.audit.v1"] = "nanotriage.finding.v1"
    claim: Claim
    labels: dict[str, str | None] = Field(description="The right label of each field that was looked at; null if none is.")
    by: str = Field(default="", description="Who says so.")


class PromiseAlarm(Returned):
    """A worker's alarm, for all workers and for its own next life."""

    event: Literal["nanotriage.promise_alarm.v1"] = "nanotriage.promise_alarm.v1"
    task: str
    calibration: str
    why: str


class Resumption(Returned):
    """An operator's word that the promise is to be trusted again: all evidence until here is forgotten."""

    event: Literal["nanotriage.promise_resumed.v1"] = "nanotriage.promise_resumed.v1"
    task: str
    calibration: str
    because: str


Note = Finding | PromiseAlarm | Resumption
_NOTES: dict[Any, type[Finding | PromiseAlarm | Resumption]] = {
    AUDIT_EVENT: Finding,
    "nanotriage.finding.v1": Finding,
    "nanotriage.promise_alarm.v1": PromiseAlarm,
    "nanotriage.promise_resumed.v1": Resumption,
}


def note_of(value: Any) -> Note | None:
    """Return what a decoded record of the findings topic says, None for what is no note."""
    kind = _NOTES.get(value.get("event")) if isinstance(value, dict) and isinstance(value.get("event"), str) else None
    try:
        return kind.model_validate(value) if kind is not None else None
    except ValidationError:
        return None
