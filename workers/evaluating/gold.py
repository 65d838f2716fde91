"""Gold labels: read from their file when the run is over, never before.

One JSON object a line: `{"id": "T-1", "fields": {"intent": "cancel_order", "order_id": "4711"}}`. A label field that a line
leaves out is not measured for that message. An extracted field that a line leaves out is said to be absent from the text,
provided that some line of the file has it; a field no line has is not measured at all.

In a CSV file a row is a line: the id is in the column `id`, or the one that the task's source names, and every column that has
a field's name is that field; an empty cell leaves it out, other columns are not looked at.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from schemas.fields import SENTIMENTS, UNKNOWN, LabelField, SentimentField, TextField
from schemas.task import Task
from workers.evaluating.normal import normal_label
from workers.evaluating.sheets import is_sheet, read_sheet
from workers.exits import UserError

Gold = Mapping[str, Mapping[str, Any]]
"""Fields by message id."""


def load_gold(path: Path, task: Task) -> Gold:
    """Return the gold labels. Raises UserError with file and line for what is no gold label of this task."""
    gold: dict[str, Mapping[str, Any]] = {}
    for number, identity, fields in _cells(path, task) if is_sheet(path) else _lines(path):
        for name, value in fields.items():
            if (problem := _problem(task, name, value)) is not None:
                raise UserError(f"{path}:{number}: {problem}")
        if identity in gold:
            raise UserError(f"{path}:{number}: the id {identity} stands in an earlier line too; keep one of them")
        gold[identity] = fields
    if not gold:
        raise UserError(f"{path} is empty: give a file of gold labels")
    return gold


def says_unknown(task: Task, fields: Mapping[str, Any]) -> bool:
    """Return whether this gold label says `unknown` of a promised field that a labelled message must know."""
    required = (name for name in task.promised() if task.fields[name].required)
    return any(name in fields and normal_label(fields[name]) == UNKNOWN for name in required)


def _lines(path: Path) -> Iterator[tuple[int, str, Mapping[str, Any]]]:
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): correct --data") from None
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield number, *_row(line, f"{path}:{number}")


def _cells(path: Path, task: Task) -> Iterator[tuple[int, str, Mapping[str, Any]]]:
    sheet = read_sheet(path)
    key = next((name for name in ("id", task.source.id) if name in sheet.columns), None)
    if key is None:
        raise UserError(f"{path} has no column id (or {task.source.id}): add one with the messages' ids")
    names = [name for name in sheet.columns if name in task.fields and not isinstance(task.fields[name], TextField)]
    if not names:
        raise UserError(f"{path} has no column with gold labels: name one as a field of the task: {', '.join(task.fields)}")
    for number, row in zip(sheet.lines, sheet.rows, strict=True):
        fields = {name: row[name] for name in names if row[name]}
        if fields and not row[key]:
            raise UserError(f"{path}:{number}: has gold labels and no {key}; add the message's id")
        if fields:
            yield number, row[key], fields


def _row(line: bytes, where: str) -> tuple[str, Mapping[str, Any]]:
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError:
        raise UserError(f"{where}: is not JSON in UTF-8; write one object a line") from None
    identity = row.get("id") if isinstance(row, dict) else None
    fields = row.get("fields") if isinstance(row, dict) else None
    if isinstance(identity, bool) or not isinstance(identity, str | int) or not isinstance(fields, dict):
        raise UserError(f'{where}: a gold label is {{"id": "...", "fields": {{"<field>": "<value>"}}}}; correct the line')
    return str(identity), fields


def _problem(task: Task, name: str, value: Any) -> str | None:
    field = task.fields.get(name)
    if field is None:
        return f"the task has no field {name}; use one of: {', '.join(task.fields)}"
    if isinstance(field, TextField):
        return f"{name} is free text, which is neither right nor wrong; remove it"
    if isinstance(field, LabelField | SentimentField):
        labels = field.labels if isinstance(field, LabelField) else SENTIMENTS
        if value is not None and value != UNKNOWN and value not in labels:
            return f"field {name} has no label {value!r}; correct it or add the label to the task"
    return None
