"""The reply a model must give: a code book, a strict JSON schema, and what one item of it looks like.

Labels travel as codes, not as texts: a code costs one output token and is decided by its first token, so the token's
log-probability is the label's. The schema stays in the subset that every provider's strict mode knows: objects, arrays,
strings, null, enum, anyOf; no constraints, no defaults, no titles. The number of items is not part of it, so that its bytes
never change between calls and stay in the provider's prompt cache.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from schemas.fields import SENTIMENTS, UNKNOWN, LabelField, SentimentField
from schemas.task import Task
from schemas.verdict import Band, SignalKind

ITEMS = "r"
REF = "ref"
SURE = "sure"
WRONG = "wrong"  # of an item that is asked again

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXY"
_SENTIMENT_CODES = {"N": "negative", "E": "neutral", "P": "positive", "Z": UNKNOWN}


@dataclass(frozen=True, slots=True)
class CodeBook:
    """The codes of one label field: code to label, `unknown` last."""

    labels: Mapping[str, str]
    descriptions: Mapping[str, str]

    @property
    def codes(self) -> tuple[str, ...]:
        return tuple(self.labels)


def code_book(field: LabelField | SentimentField) -> CodeBook:
    """Return the field's codes: letters for up to 25 labels, else numbers of one width; sentiment has letters of its own."""
    if isinstance(field, SentimentField):
        return CodeBook(_SENTIMENT_CODES, SENTIMENTS)
    names = list(field.labels)
    if len(names) <= len(_LETTERS):
        codes, unknown = list(_LETTERS[: len(names)]), "Z"
    else:
        width = 2 if len(names) <= 90 else 3  # noqa: PLR2004  # 10..99 are ninety codes
        codes, unknown = [str(10 ** (width - 1) + i) for i in range(len(names))], "0" * width
    return CodeBook({**dict(zip(codes, names, strict=True)), unknown: UNKNOWN}, field.labels)


def code_books(task: Task) -> dict[str, CodeBook]:
    return {name: code_book(field) for name, field in task.classified().items()}


def reply_schema(task: Task, signal: SignalKind) -> dict[str, Any]:
    """Return the strict JSON schema of a reply to this task; a stated band is asked for only where nothing better is."""
    books = code_books(task)
    properties: dict[str, Any] = {REF: {"type": "string"}}
    for name in task.fields:
        if name in books:
            properties[name] = {"type": "string", "enum": list(books[name].codes)}
        else:
            properties[name] = {"anyOf": [{"type": "string"}, {"type": "null"}]}
    if signal is SignalKind.BAND and books:
        properties[SURE] = {"type": "string", "enum": [band.value for band in Band]}
    item = {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
    return {
        "type": "object",
        "properties": {ITEMS: {"type": "array", "items": item}},
        "required": [ITEMS],
        "additionalProperties": False,
    }
