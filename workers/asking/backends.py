"""Backends: the ways to ask about a batch, behind one protocol. Pure: a backend says which calls to make.

| backend | calls of n messages | labels | values and texts | signal |
|---|---|---|---|---|
| `Prompt` | 1 | yes | yes | log-probabilities, or the stated band |
| `Sheet` | n | yes | no | distribution |
| `Agreement` | 1 + n times the votes | yes | yes | agreement |
| `Both` | 1 + n | by the sheet | by the prompt | distribution |
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

from schemas.message import Message
from schemas.task import Task
from schemas.verdict import SignalKind
from workers.asking.decisions import Sheet
from workers.asking.model import Call, Overhead, Wire, Wrong
from workers.asking.prompt import Dialect, Prompt, short_hash


class Backend(Protocol):
    """What a route asks with. The hashes name what is asked and what may be answered."""

    @property
    def model(self) -> str: ...
    @property
    def signal(self) -> SignalKind: ...
    @property
    def prompt_hash(self) -> str: ...
    @property
    def schema_hash(self) -> str: ...
    @property
    def schema(self) -> Mapping[str, Any] | None:
        """What the written reply must keep to; None where nothing is written."""

    @property
    def together(self) -> bool:
        """Whether messages share a call, so that a batch is worth waiting for."""

    @property
    def first(self) -> "Backend":
        """The part of it to try first at start: it tells most cheaply whether the route has all of it."""

    @property
    def largest(self) -> "Backend":
        """The part of it whose call about all messages is the largest: the one that must fit the model."""

    def calls(self, messages: Sequence[Message], refs: tuple[str, ...], wrong: Wrong = ()) -> tuple[Call, ...]:
        """Return the calls about these messages, the one about all of them first where there is one.

        `wrong` is empty, or says for each message what was wrong with its last answer; a decision route cannot be told.
        """

    def overhead(self, count: int) -> Overhead:
        """Return what a question about so many messages takes besides their texts."""


class Both:
    """Labels by a sheet, everything else by a prompt of the task without its labels."""

    signal = SignalKind.DISTRIBUTION
    together = True

    def __init__(self, sheet: Sheet, prompt: Prompt) -> None:
        self.first = self._sheet = sheet
        self.largest = self._prompt = prompt
        self.schema = prompt.schema
        self.model = " + ".join(dict.fromkeys((prompt.model, sheet.model)))
        self.prompt_hash = short_hash(f"{sheet.prompt_hash} {prompt.prompt_hash}".encode())
        self.schema_hash = short_hash(f"{sheet.schema_hash} {prompt.schema_hash}".encode())

    def calls(self, messages: Sequence[Message], refs: tuple[str, ...], wrong: Wrong = ()) -> tuple[Call, ...]:
        return (*self._prompt.calls(messages, refs, wrong), *self._sheet.calls(messages, refs))

    def overhead(self, count: int) -> Overhead:
        return Overhead(*map(sum, zip(self._prompt.overhead(count), self._sheet.overhead(count), strict=True)))


def decision_backend(task: Task, dialect: Dialect, model: str, wire: Literal[Wire.DECISIONS, Wire.SYSTEMONE]) -> Sheet | Both:
    """Return the backend that decides the task's labels on this wire; what is no label is asked of the chat wire beside it."""
    sheet = Sheet(task, model, wire)
    others = {name: field for name, field in task.fields.items() if name not in task.classified()}
    if not others:
        return sheet
    # Checks and routes may name labels; the copy is only ever rendered as a prompt.
    return Both(sheet, Prompt(task.model_copy(update={"fields": others}), dialect))
