"""What became of the messages of a file, as a file: the rows of a CSV with what came out, or one JSON object a line. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson

from schemas.task import Task
from workers.evaluating.outcome import Outcome
from workers.evaluating.sheets import Sheet, sheet_text

_PREFIX = "nt_"


def labelled_sheet(sheet: Sheet, task: Task, outcomes: Sequence[Outcome]) -> str:
    """Return the rows with columns of ours behind: outcome, reason, and every field with the confidence of those that have one.

    The outcomes are in the order of the rows. A column of ours that the file has already is replaced.
    """
    classified = task.classified()
    fields = [part for name in task.fields for part in ([name, f"{name}_confidence"] if name in classified else [name])]
    added = [_PREFIX + name for name in ("outcome", "reason", *fields)]
    kept = tuple(name for name in sheet.columns if name not in added)
    rows = [
        {name: row[name] for name in kept} | dict.fromkeys(added, "") | _cells(one)
        for row, one in zip(sheet.rows, outcomes, strict=False)
    ]
    return sheet_text(Sheet(kept, rows, (), sheet.separator, sheet.marked), added, rows)


def labelled_lines(outcomes: Iterable[tuple[str | None, Outcome]]) -> str:
    """Return one JSON object a line, for each message's id and what became of it."""
    return "".join(orjson.dumps(_object(name, one)).decode() + "\n" for name, one in outcomes)


def _cells(one: Outcome) -> dict[str, str]:
    confidences = one.answered.confidences if one.answered else {}
    return {
        f"{_PREFIX}outcome": one.kind.value,
        f"{_PREFIX}reason": one.reason or "",
        **{_PREFIX + name: _cell(value) for name, value in one.fields.items()},
        **{f"{_PREFIX}{name}_confidence": f"{value:.4f}" for name, value in confidences.items()},
    }


def _object(name: str | None, one: Outcome) -> dict[str, Any]:
    return {
        "id": name,
        "outcome": one.kind.value,
        "reason": one.reason,
        "fields": dict(one.fields),
        "confidences": dict(one.answered.confidences) if one.answered else {},
    }


def _cell(value: Any) -> str:
    """Return a field's value in one cell; money is `49.90 EUR`."""
    if value is None:
        return ""
    if isinstance(value, Mapping):
        return " ".join(str(part) for part in value.values() if part is not None)
    return str(value)
