"""What became of the messages of a file, as a file: the rows of a CSV with what came out, or one JSON object a line.

A file that was written before all messages had an outcome is read back, to go on from. A result is what the file has of one
message: the cells of its added columns, or its object; None without an outcome.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from schemas.task import Task
from workers.evaluating.outcome import Outcome
from workers.evaluating.sheets import Sheet, read_sheet, sheet_text
from workers.exits import UserError

Result = Mapping[str, Any]

_PREFIX = "nt_"
_OTHER = "is not what `nanotriage label` made of this file with this task: leave out --go-on, or name another file with --out"


class LabelledSheet:
    """A CSV's own rows with columns of ours behind: outcome, reason, every field, and the confidence of those that have one.

    A column of ours that the file has already is replaced.
    """

    def __init__(self, sheet: Sheet, task: Task) -> None:
        classified = task.classified()
        fields = [part for name in task.fields for part in ([name, f"{name}_confidence"] if name in classified else [name])]
        self._added = [_PREFIX + name for name in ("outcome", "reason", *fields)]
        self._kept = tuple(name for name in sheet.columns if name not in self._added)
        self._sheet = sheet

    def result(self, one: Outcome, _message_id: str | None) -> Result:
        """Return the cells of an outcome."""
        confidences = one.answered.confidences if one.answered else {}
        return {
            f"{_PREFIX}outcome": one.kind.value,
            f"{_PREFIX}reason": one.reason or "",
            **{_PREFIX + name: _cell(value) for name, value in one.fields.items()},
            **{f"{_PREFIX}{name}_confidence": f"{value:.4f}" for name, value in confidences.items()},
        }

    def told(self, result: Result) -> tuple[str, str]:
        """Return the outcome and its reason."""
        return result[f"{_PREFIX}outcome"], result[f"{_PREFIX}reason"]

    def text(self, results: Sequence[Result | None], _ids: Sequence[str | None]) -> str:
        """Return the first so many rows with their results."""
        blank = dict.fromkeys(self._added, "")
        rows = [
            {name: row[name] for name in self._kept} | blank | dict(result or {})
            for row, result in zip(self._sheet.rows, results, strict=False)
        ]
        return sheet_text(Sheet(self._kept, rows, (), self._sheet.separator, self._sheet.marked), self._added, rows)

    def earlier(self, path: Path, _ids: Sequence[str | None]) -> list[Result | None]:
        """Return what the file has of the first rows. Raises UserError when it is not of this file and task."""
        found = read_sheet(path)
        ours = [{name: row[name] for name in self._kept} for row in self._sheet.rows]
        if found.columns != (*self._kept, *self._added) or len(found.rows) > len(ours):
            raise UserError(f"{path} {_OTHER}")
        results: list[Result | None] = []
        for row, own in zip(found.rows, ours, strict=False):
            if {name: row[name] for name in self._kept} != own:
                raise UserError(f"{path} {_OTHER}")
            cells = {name: row[name] for name in self._added}
            results.append(cells if cells[f"{_PREFIX}outcome"] else None)
        return results


class LabelledLines:
    """One JSON object a line: id, outcome, reason, fields, confidences. The outcome is null where there is none."""

    def __init__(self, task: Task) -> None:
        self._fields = task.fields.keys()

    def result(self, one: Outcome, message_id: str | None) -> Result:
        """Return the object of an outcome."""
        confidences = dict(one.answered.confidences) if one.answered else {}
        told = {"outcome": one.kind.value, "reason": one.reason, "fields": dict(one.fields), "confidences": confidences}
        return {"id": message_id, **told}

    def told(self, result: Result) -> tuple[str, str]:
        """Return the outcome and its reason."""
        return result["outcome"], result["reason"] or ""

    def text(self, results: Sequence[Result | None], ids: Sequence[str | None]) -> str:
        """Return a line for each result."""
        objects = (result or {"id": name, "outcome": None} for result, name in zip(results, ids, strict=True))
        return "".join(orjson.dumps(each).decode() + "\n" for each in objects)

    def earlier(self, path: Path, ids: Sequence[str | None]) -> list[Result | None]:
        """Return what the file has of the first messages. Raises UserError when it is not of this file and task."""
        try:
            found = [orjson.loads(line) for line in path.read_bytes().splitlines()]
            same = [each["id"] for each in found] == list(ids[: len(found)])
            results = [None if each["outcome"] is None else each for each in found]
            known = all(each["fields"].keys() <= self._fields for each in results if each is not None)
        except OSError as error:
            raise UserError(f"{path} cannot be read ({error.strerror}): correct its path") from None
        except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
            raise UserError(f"{path} {_OTHER}") from None
        if not same or not known:
            raise UserError(f"{path} {_OTHER}")
        return results


def _cell(value: Any) -> str:
    """Return a field's value in one cell; money is `49.90 EUR`."""
    if value is None:
        return ""
    if isinstance(value, Mapping):
        return " ".join(str(part) for part in value.values() if part is not None)
    return str(value)
