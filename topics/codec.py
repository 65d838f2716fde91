"""Bytes to messages: a task's mapping applied to a record. Total: whatever a record holds, the answer is a value."""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import orjson

from schemas.message import Message
from schemas.priority import Priority
from schemas.task import Source
from schemas.verdict import Refusal
from topics.record import Record

_MISSING = object()
_ROUNDED = 2.0**63  # whole numbers from here on do not fit orjson's integers, and become the nearest float


@dataclass(frozen=True, slots=True)
class Undecodable:
    """A record that is no message, and why; `detail` quotes nothing of it."""

    refusal: Refusal
    detail: str


class Codec:
    """Decodes the records of one source."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._text = _path(source.text)
        self._id = _path(source.id)
        self._key = _path(source.key)
        self._tenant = _path(source.tenant)
        self._metadata = {name: tuple(path.split(".")) for name, path in source.metadata.items()}
        self._words = [path for path in (self._id, self._key, self._tenant, *self._metadata.values()) if path]

    def decode(self, record: Record) -> Message | Undecodable:
        value = record.value
        if not value:
            return Undecodable(Refusal.EMPTY, "the record has no value" if value is None else "the record's value is empty")
        if len(value) > self._source.max_bytes:
            return Undecodable(
                Refusal.TOO_LARGE, f"{len(value)} bytes are more than the source's max_bytes {self._source.max_bytes}"
            )
        if self._source.format == "text":
            return self._from_text(value, record)
        try:
            body = self._parse(value)
        except orjson.JSONDecodeError:
            return Undecodable(Refusal.UNDECODABLE, "the value is not JSON in UTF-8")
        return self._from_body(body, record)

    def without_text(self, record: Record) -> Message:
        """Return what a record says of itself beside its text, which is left out; what cannot be read is missing."""
        body = None
        if self._source.format == "json":
            with suppress(orjson.JSONDecodeError):
                body = self._parse(record.value or b"")
        return self._message(body, record, "")

    def _parse(self, value: bytes) -> Any:
        """Return the body, in which every whole number that is used is exact. Raises orjson.JSONDecodeError."""
        body = orjson.loads(value)
        if any(isinstance(found := _find(body, path), float) and abs(found) >= _ROUNDED for path in self._words):
            with suppress(ValueError, RecursionError):  # the standard library's bounds are narrower in depth and in digits
                return json.loads(value)
        return body

    def _from_text(self, value: bytes, record: Record) -> Message | Undecodable:
        try:
            text = value.decode()
        except UnicodeDecodeError as error:
            return Undecodable(Refusal.UNDECODABLE, f"the value is not UTF-8 at byte {error.start}")
        if not text.strip():
            return Undecodable(Refusal.NO_TEXT, "the text is blank")
        return Message(text, _origin(record), record.key, None, {}, self._priority(record, {}))

    def _from_body(self, body: Any, record: Record) -> Message | Undecodable:
        text = _find(body, self._text)
        if not isinstance(text, str) or not text.strip():
            what = "missing" if text is _MISSING else "blank" if isinstance(text, str) else f"of type {type(text).__name__}"
            return Undecodable(Refusal.NO_TEXT, f"the text at {self._source.text!r} is {what}")
        return self._message(body, record, text)

    def _message(self, body: Any, record: Record, text: str) -> Message:
        identity = _word(_find(body, self._id)) if self._id else None
        key = _word(_find(body, self._key)) if self._key else None
        metadata = self._read_metadata(body)
        return Message(
            text=text,
            id=identity or _origin(record),
            key=record.key if key is None else key.encode(),
            tenant=_word(_find(body, self._tenant)) if self._tenant else None,
            metadata=metadata,
            priority=self._priority(record, metadata),
        )

    def _priority(self, record: Record, metadata: Mapping[str, str]) -> Priority:
        rule = self._source.priority
        if rule is None:
            return Priority.NORMAL
        if rule.field is not None:
            return rule.of(metadata.get(rule.field))
        values = (value for name, value in record.headers if name == rule.header)
        return rule.of(next(values, b"").decode(errors="replace"))

    def _read_metadata(self, body: Any) -> Mapping[str, str]:
        if not self._metadata:
            return {}
        words = ((name, _word(_find(body, path))) for name, path in self._metadata.items())
        return {name: word for name, word in words if word is not None}


def _path(dotted: str | None) -> tuple[str, ...]:
    return tuple(dotted.split(".")) if dotted else ()


def _find(body: Any, path: tuple[str, ...]) -> Any:
    for step in path:
        if not isinstance(body, dict):
            return _MISSING
        body = body.get(step, _MISSING)
    return body


def _word(value: Any) -> str | None:
    """Return a scalar as text; anything else is as good as missing."""
    if isinstance(value, str):
        return value or None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return str(value)


def _origin(record: Record) -> str:
    return f"{record.partition.topic}/{record.partition.number}/{record.offset}"
