"""Decision sheets: a task's label fields as questions to a decision route, serialised once. Pure.

A decision route reads one input and returns the probability of every label, with nothing to parse. The input is one
message's text as a JSON string, nothing else: no other text can stand beside it, so none can answer for it. What is asked
travels with each call, so a batch is as many calls as it has messages.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self

import orjson

from schemas.fields import SENTIMENTS, LabelField, SentimentField
from schemas.message import Message
from schemas.task import Task
from schemas.verdict import SignalKind
from workers.asking.model import Call, Overhead, Wire, Wrong
from workers.asking.prompt import short_hash
from workers.asking.sheet_questions import Asked, asked_about, for_decisions, for_systemone

MOST_CHOICES = 255  # `unknown` among them


class Sheet:
    """A backend: the decision calls about one task's label fields. A batch is one call per message."""

    signal = SignalKind.DISTRIBUTION
    together = False
    schema = None

    def __init__(self, task: Task, model: str, wire: Literal[Wire.DECISIONS, Wire.SYSTEMONE]) -> None:
        questions = {name: asked_about(task, field) for name, field in task.classified().items()}
        self.model = model
        self._wire = wire
        self._fields = tuple(questions)
        self._levels = {name: tuple(asked.options) for name, asked in questions.items() if asked.kind == "score"}
        self._head, self._tail = _serialise(questions, model, wire)
        self.prompt_hash = short_hash(self._tail)
        self.schema_hash = short_hash(orjson.dumps({name: list(asked.options) for name, asked in questions.items()}))

    @property
    def first(self) -> Self:
        return self

    @property
    def largest(self) -> Self:
        return self

    def calls(self, messages: Sequence[Message], refs: tuple[str, ...], _wrong: Wrong = ()) -> tuple[Call, ...]:
        """Return a call about each message."""
        return tuple(
            Call(self._head + orjson.dumps(message.text) + self._tail, (ref,), self._wire, self._fields, levels=self._levels)
            for ref, message in zip(refs, messages, strict=True)
        )

    def overhead(self, count: int) -> Overhead:
        """Return what a question about so many messages takes besides their texts: nothing is written in answer."""
        return Overhead(count, count * (len(self._head) + len(self._tail)), 1, 0)


def fits_a_sheet(task: Task) -> bool:
    """Return whether a decision route may be asked about the task: it has labels, not too many, and a rule for such signals."""
    most = max((len(_labels(field)) + 1 for field in task.classified().values()), default=0)
    return task.accepts_decisions() and most <= MOST_CHOICES


def _labels(field: LabelField | SentimentField) -> Mapping[str, str]:
    return SENTIMENTS if isinstance(field, SentimentField) else field.labels


def _serialise(
    questions: Mapping[str, Asked], model: str, wire: Literal[Wire.DECISIONS, Wire.SYSTEMONE]
) -> tuple[bytes, bytes]:
    """Return the request's bytes before the text and after it."""
    asked: Any
    if wire is Wire.DECISIONS:
        asked = [for_decisions(name, question) for name, question in questions.items()]
    else:
        asked = {name: for_systemone(question) for name, question in questions.items()}
    place = b'"input":' if wire is Wire.DECISIONS else b'"state":'
    return b'{"model":' + orjson.dumps(model) + b"," + place, b',"questions":' + orjson.dumps(asked) + b"}"
