"""What is probed with: texts with known answers. The answers stay here; a probe carries none of them. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import orjson
from pydantic import ValidationError

from schemas.fields import SENTIMENTS, Frozen, LabelField
from schemas.task import Task
from workers.exits import UserError


class Item(Frozen):
    """One line of a probe file. `expect` None of a field is unknown; what is not named there may be anything."""

    text: str | None = None
    value: dict[str, Any] | None = None
    expect: dict[str, str | None]
    outcome: Literal["labelled", "escalated"] = "labelled"


def items_of(lines: Sequence[bytes], name: str, task: Task) -> list[Item]:
    """Return the items of a file's lines. Raises UserError for the first line that is none, or that the task cannot answer."""
    found = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            item = Item.model_validate(orjson.loads(line))
        except (orjson.JSONDecodeError, ValidationError):
            raise _refused(name, number, 'is no {"text": ..., "expect": {field: label}}') from None
        for problem in _problems(item, task):
            raise _refused(name, number, problem)
        found.append(item)
    if not found:
        raise UserError(f"{name} holds no probe: write one JSON object a line with `text` and `expect`")
    return found


def value_of(item: Item, task: Task) -> bytes:
    """Return the value of a record that says the item's text, as the task's source has it."""
    if item.value is not None:
        return orjson.dumps(item.value)
    text = item.text or ""
    if task.source.text is None:
        return text.encode()
    body: Any = text
    for step in reversed(task.source.text.split(".")):
        body = {step: body}
    return orjson.dumps(body)


def _problems(item: Item, task: Task) -> Iterator[str]:
    if (item.text is None) == (item.value is None):
        yield "needs `text` or `value`, and not both"
    if item.value is not None and task.source.format == "text":
        yield "has a `value`, but the task reads plain text: give `text`"
    if not item.expect:
        yield "expects nothing: name a label field under `expect`"
    known = task.classified()
    for field, label in item.expect.items():
        if field not in known:
            yield f"expects something of {field}, which is no label field: name one of {', '.join(known) or 'none'}"
        elif label is not None and label not in _labels(known[field]):
            yield f"expects {label} of {field}, which is none of its labels"


def _labels(field: Any) -> Mapping[str, str]:
    return field.labels if isinstance(field, LabelField) else SENTIMENTS


def _refused(name: str, number: int, what: str) -> UserError:
    return UserError(f"{name}, line {number} {what}")
