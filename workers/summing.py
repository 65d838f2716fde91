"""Summing up: what a commit published, as one record of counts. Pure, but for the clock that is handed in.

A lane hands over the notes of the events it commits, and the record goes with them in their transaction: a read_committed
reader who adds all records up has counted every event exactly once (at least once, without transactions). A record is one
JSON object, `{"v": 1, "task", "source", "at_ms", "rows": [...]}`, with a row for each tenant and model; adding rows is adding
numbers. Events that were cut because their topic refused them are not counted.
"""

from bisect import bisect_left
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, Self, assert_never

import orjson

from schemas.fields import UNKNOWN
from schemas.verdict import Confidence, Escalated, FieldResult, Labelled, Rejected, Verdict
from topics.record import Outgoing, Partition

VERSION = 1
SECONDS = (0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0)
"""Upper bounds of the classes of latency, from the record's time to its event; the last class has none."""
CONFIDENCE = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)
_HEADERS = (("content-type", b"application/json"),)

Row = dict[str, Any]


class _Tokens(Protocol):
    @property
    def input(self) -> int: ...
    @property
    def cached(self) -> int: ...
    @property
    def output(self) -> int: ...


class Spent(NamedTuple):
    """A message's even part of the tokens of the answers that were about it."""

    input: float = 0.0
    cached: float = 0.0
    output: float = 0.0

    def plus(self, usage: _Tokens, items: int) -> Self:
        """Return it with a part of one more answer, about so many messages."""
        return self._replace(
            input=self.input + usage.input / items,
            cached=self.cached + usage.cached / items,
            output=self.output + usage.output / items,
        )


class Note(NamedTuple):
    """What is counted of one event."""

    task: str
    tenant: str | None
    model: str
    verdict: Verdict
    labels: Collection[str]  # which of the task's fields are labels
    seconds: float
    spent: Spent


def summariser(topic: str, wall: Callable[[], float]) -> Callable[[Partition, Sequence[object]], Sequence[Outgoing]]:
    """Return what makes a commit's record. `wall` is seconds since the epoch."""

    def summarise(partition: Partition, notes: Sequence[object]) -> Sequence[Outgoing]:
        known = [note for note in notes if isinstance(note, Note)]
        if not known:
            return ()
        value = {
            "v": VERSION,
            "task": known[0].task,
            "source": str(partition),
            "at_ms": round(wall() * 1000),
            "rows": rows_of(known),
        }
        return (Outgoing(topic, known[0].task.encode(), orjson.dumps(value), _HEADERS),)

    return summarise


def rollups_of(topic: str) -> str:
    """Return the topic of the windows that are added up from the records of a topic."""
    return f"{topic}.rollups"


def alerts_of(topic: str) -> str:
    """Return the topic of what has changed, as the records of a topic tell."""
    return f"{topic}.alerts"


def baselines_of(topic: str) -> str:
    """Return the topic of what the records of a topic are compared with."""
    return f"{topic}.baselines"


def rows_of(notes: Sequence[Note]) -> list[Row]:
    """Return a row for each tenant and model."""
    rows: dict[tuple[str | None, str], Row] = {}
    for note in notes:
        place = (note.tenant, note.model)
        rows[place] = added(rows[place], _row(note)) if place in rows else _row(note)
    return [{"tenant": tenant, "model": model, "sums": row} for (tenant, model), row in rows.items()]


def added(one: Row, other: Row) -> Row:
    """Return the sum: numbers are added, lists place by place, mappings key by key."""
    return {name: _plus(one.get(name), other.get(name)) for name in {**one, **other}}


def _plus(one: Any, other: Any) -> Any:
    if one is None or other is None:
        return other if one is None else one
    if isinstance(one, dict):
        return added(one, other)
    if isinstance(one, list):
        return [a + b for a, b in zip(one, other, strict=True)]
    return one + other


def _row(note: Note) -> Row:
    row: Row = {
        "messages": 1,
        "seconds": _class_of(note.seconds, SECONDS),
        "seconds_sum": note.seconds,
        "tokens": note.spent._asdict(),
    }
    match note.verdict:
        case Labelled(fields=fields):
            return row | {"labelled": 1} | _labels(fields, note.labels)
        case Escalated(fields=fields, reasons=reasons):
            return row | {"escalated": 1, "reasons": {reasons[0].doubt.value: 1}} | _labels(fields, note.labels)
        case Rejected(refusal=refusal):
            return row | {"dead": 1, "reasons": {refusal.value: 1}}
        case _:
            assert_never(note.verdict)


def _labels(fields: Mapping[str, FieldResult], names: Collection[str]) -> Row:
    results = {name: fields[name] for name in names if name in fields}
    return {
        "labels": {name: {UNKNOWN if result.value is None else result.value: 1} for name, result in results.items()},
        "confidence": {
            name: _class_of(result.signal.probability, CONFIDENCE)
            for name, result in results.items()
            if isinstance(result.signal, Confidence)
        },
    }


def _class_of(value: float, bounds: tuple[float, ...]) -> list[int]:
    counts = [0] * (len(bounds) + 1)
    counts[bisect_left(bounds, value)] = 1
    return counts
