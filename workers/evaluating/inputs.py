"""Inputs: a sample's lines as records to send, each with the id under which gold labels know it.

A row of a CSV file is a record too: its columns are named as the task's source names the parts of a message.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from schemas.message import Message
from schemas.task import Source
from topics.codec import Codec
from topics.record import Partition, Record
from workers.evaluating.sheets import Sheet, is_sheet, read_sheet
from workers.exits import UserError

_ANYWHERE = Partition("input", 0)


@dataclass(frozen=True, slots=True)
class Input:
    """One record to send."""

    value: bytes | None
    key: bytes | None
    message_id: str | None


def load_inputs(path: Path, source: Source, limit: int | None = None) -> Sequence[Input]:
    """Return the first `limit` lines of a sample. Raises UserError for a file that cannot be read or is empty."""
    if is_sheet(path):
        return sheet_inputs(path, read_sheet(path), source)[:limit]
    try:
        lines = [line for line in path.read_bytes().splitlines() if line.strip()]
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): correct its path") from None
    if not lines:
        raise UserError(f"{path} is empty: give a file with one record's value a line")
    codec = Codec(source)
    return [_input(codec, line) for line in lines[:limit]]


def sheet_inputs(path: Path, sheet: Sheet, source: Source) -> Sequence[Input]:
    """Return each row as a record. Raises UserError when a column of the text or the id is not there."""
    if source.text is None:
        raise UserError(f"{path} has columns and the task's source is plain text: give `source.text` the column of the text")
    for name, column in (("text", source.text), ("id", source.id)):
        if column is not None and column not in sheet.columns:
            has = ", ".join(sheet.columns)
            raise UserError(f"{path} has no column {column}, which the task's source.{name} names: it has {has}")
    codec = Codec(source)
    paths = [path for path in (source.text, source.id, source.key, source.tenant, *source.metadata.values()) if path]
    return [_input(codec, orjson.dumps(_body(row, paths))) for row in sheet.rows]


def _body(row: Mapping[str, str], paths: Sequence[str]) -> dict[str, Any]:
    """Return the value of a record: a column is named by the whole dotted path; an empty cell is no value."""
    body: dict[str, Any] = {}
    for path in paths:
        *outer, last = path.split(".")
        inner = body
        for step in outer:
            inner = inner.setdefault(step, {})
        if row.get(path):
            inner[last] = row[path]
    return body


def _input(codec: Codec, line: bytes) -> Input:
    message = codec.decode(Record(_ANYWHERE, 0, None, line, (), 0))
    if not isinstance(message, Message):
        return Input(line, None, None)
    named = message.id != f"{_ANYWHERE}/0"  # the codec's word for a message that brings no id
    return Input(line, message.key, message.id if named else None)
