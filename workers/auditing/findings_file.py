"""Findings by a file: JSON Lines of `{"id": the labelled event's, "labels": {field: label}}`. Pure."""

from collections.abc import Mapping, Sequence

import orjson

from schemas.auditing import Finding
from schemas.events import Claim
from schemas.fields import SENTIMENTS, LabelField
from schemas.task import Task
from workers.exits import UserError

Labels = Mapping[str, str | None]


def labels_of(task: Task) -> Mapping[str, frozenset[str]]:
    """Return the labels of each label field."""
    fields = task.classified().items()
    return {name: frozenset(field.labels if isinstance(field, LabelField) else SENTIMENTS) for name, field in fields}


def read_lines(lines: Sequence[bytes], name: str, task: Task) -> Mapping[str, Labels]:
    """Return the labels by event id. A line with none was not looked at, and is left out.

    Raises UserError with the line for what is no finding of this task.
    """
    known, found = labels_of(task), dict[str, Labels]()
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            value = orjson.loads(line)
        except orjson.JSONDecodeError:
            raise UserError(f"{name}, line {number}: it is no JSON object; write one a line") from None
        event_id = value.get("id") if isinstance(value, dict) else None
        labels = value.get("labels") if isinstance(value, dict) else None
        if not isinstance(event_id, str) or not isinstance(labels, dict):
            raise UserError(f'{name}, line {number}: a finding is {{"id": ..., "labels": {{...}}}}; write it so')
        for field, label in labels.items():
            if field not in known:
                raise UserError(f"{name}, line {number}: {field} is no label field; name one of: {', '.join(known)}")
            if label is not None and label not in known[field]:
                raise UserError(f"{name}, line {number}: field {field} has no label {label}; correct it, or null for none")
        if labels:
            found[event_id] = labels
    return found


def findings_of(labels: Mapping[str, Labels], claims: Mapping[str, Claim], by: str) -> list[Finding]:
    """Return the findings. Raises UserError for an event that was not put up."""
    alien = [event_id for event_id in labels if event_id not in claims]
    if alien:
        raise UserError(
            f"event {alien[0]} was never put up for audit{f', and {len(alien) - 1} others' if len(alien) > 1 else ''}: "
            "take the ids from `nanotriage audit list`"
        )
    return [Finding(claim=claims[event_id], labels=dict(found), by=by) for event_id, found in labels.items()]
