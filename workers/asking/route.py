"""A route: one task's questions to one model, with its backend and signal settled by asking rather than by the model's name.

The harmless question has two uses. At start it warms the provider's schema cache, shows whether the route honours the
request and whether it really returns what the labels are to be judged by. Later, when the route refuses a request outright,
it tells whose fault that is: if the harmless question is answered, the texts'; if it is not, the set-up's.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

from schemas.message import Message
from schemas.task import Task
from schemas.verdict import SignalKind
from workers.asking.agreement import Agreement, accepts_agreement
from workers.asking.backends import Backend, decision_backend
from workers.asking.calling import ask_all
from workers.asking.capabilities import NOTHING_KNOWN, Capabilities, Capability, spells, told_by
from workers.asking.conformity import keeps_to
from workers.asking.decisions import fits_a_sheet
from workers.asking.degrade import FORMAT, ORDER, accustomed, described, named_by, without
from workers.asking.model import Answer, Barred, Broken, Fault, Model, Question, Unclear, Wire, Wrong
from workers.asking.prompt import Dialect, Prompt
from workers.asking.refs import distinct_refs

_HARMLESS = Message("Hello, I have a question about my order.", "harmless", None, None, {})

Switch = Literal["auto", "on", "off"]
_STRAYS = "does not keep to the JSON schema"


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the operator insists on or forbids; auto leaves it to what the route is found to do.

    `decisions_model` is the model that decision routes are asked for; None is the dialect's. `insisted` are parts of the
    request that the operator set, so that none is left out when a route refuses it (`workers.asking.degrade`). `required` are
    capabilities without which the route is not to be used. `votes` is how many further answers to ask for where there are no
    probabilities.
    """

    backend: Literal["auto", "chat", "decisions", "systemone"] = "auto"
    logprobs: Switch = "auto"
    decisions_model: str | None = None
    insisted: frozenset[str] = frozenset()
    required: frozenset[Capability] = frozenset()
    votes: int = 0


@dataclass(frozen=True, slots=True)
class Route:
    """What the pipeline asks: `question` is pure, `ask` makes the calls of one question."""

    model: Model
    backend: Backend
    draw: Callable[[int], int]
    capabilities: Capabilities = NOTHING_KNOWN

    def question(self, messages: Sequence[Message], wrong: Wrong = ()) -> Question:
        refs = distinct_refs(len(messages), self.draw)
        return Question(self.backend.calls(messages, refs, wrong), refs)

    async def ask(self, question: Question) -> Answer | Fault:
        result = await ask_all(self.model, question)
        if not isinstance(result, Unclear):
            return result
        probe = await ask_all(self.model, self.question([_HARMLESS]))
        if isinstance(probe, Answer):
            return Broken(result.why)
        return _barred(probe) if isinstance(probe, Unclear) else probe

    async def probe(self) -> Answer | Fault:
        """Ask the harmless question."""
        result = await ask_all(self.model, self.question([_HARMLESS]))
        return _barred(result) if isinstance(result, Unclear) else result


async def open_route(
    model: Model, task: Task, dialect: Dialect, wishes: Wishes, draw: Callable[[int], int], known: Capabilities = NOTHING_KNOWN
) -> Route | Fault:
    """Return the route with the best signal it really has, or why it cannot be asked.

    The order is the one of `_candidates`; the next is tried when the route refuses one, or ignores what makes it good. Each
    is asked without what the route refuses, before it is given up. What is `known` of it already is not tried again.
    """
    fault: Fault | None = None
    opening = _Opening(model, wishes, draw, known)
    for candidate in _candidates(task, wishes, known):
        opened = await opening.route(candidate, dialect)
        if isinstance(opened, Route):
            return opened
        if not (isinstance(opened, Barred) or (wishes.backend == "auto" and candidate.decides)):
            return opened  # a server may answer a path it does not know with anything, but nobody insisted on that one
        fault = opened
    return fault or Barred(f"task {task.name} cannot be asked of model.backend {wishes.backend}: {_why_none(task)}")


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A way to ask, and what the route must be able to do for it; None is nothing that a route may lack."""

    make: Callable[[Dialect], Backend]
    needs: Capability | None

    @property
    def decides(self) -> bool:
        return self.needs in (Capability.DECISIONS, Capability.SYSTEMONE)


@dataclass(frozen=True, slots=True)
class _Taken:
    """A request that the route took, and how it answered the harmless question."""

    dialect: Dialect
    backend: Backend
    answer: Answer

    def keeps(self) -> bool:
        schema = self.backend.schema
        return schema is None or self.answer.cut or keeps_to(schema, self.answer.content)

    def shows(self) -> Iterator[Capability]:
        """Yield what the route has shown to take."""
        if self.backend.schema is None:
            return
        yield from (Capability(option) for option in ORDER if getattr(self.dialect, option) is not None)
        if self.dialect.reply == "json_schema" and self.keeps() and not self.answer.cut:
            yield Capability.JSON_SCHEMA


@dataclass(slots=True)
class _Opening:
    """Asks the harmless question until the route takes it; `known` grows with answers and refusals."""

    model: Model
    wishes: Wishes
    draw: Callable[[int], int]
    known: Capabilities

    async def route(self, candidate: _Candidate, dialect: Dialect) -> Route | Fault:
        taken = await self._bound(candidate, accustomed(dialect, self.known, self.wishes.insisted))
        if isinstance(taken, _Taken) and candidate.needs is Capability.LOGPROBS and not spells(taken.answer):
            taken = Barred("the route gives no log-probabilities of its answers: set model.logprobs to auto or off")
        if not isinstance(taken, _Taken):
            if isinstance(taken, Barred) and candidate.needs is not None:
                self.known = self.known.missed(candidate.needs, f"{taken.why}; another source of confidence is looked for")
            return taken
        needed = () if candidate.needs is None else (candidate.needs,)
        self.known = told_by(taken.answer, self.known).found((*needed, *taken.shows()))
        lacking = sorted(self.wishes.required - self.known.has)
        if lacking:
            return Barred(f"{self.known.lacks[lacking[0]]}; and model.{lacking[0]} is on, so set it to auto to do without")
        return Route(self.model, taken.backend, self.draw, self.known)

    async def _bound(self, candidate: _Candidate, dialect: Dialect) -> _Taken | Fault:
        """Have the request taken, with the schema in the prompt where the route keeps to it only there."""
        taken = await self._take(candidate, dialect)
        if not isinstance(taken, _Taken) or taken.keeps() or taken.dialect.reply != "json_schema":
            return taken
        if FORMAT in self.wishes.insisted:
            return Barred(f"the route {_STRAYS}: set model.json_schema to auto or off")
        known, step = self.known, described(taken.dialect, _STRAYS)
        other = await self._take(candidate, step.dialect)
        if isinstance(other, _Taken) and other.keeps():
            self.known = self.known.missed(step.lacked, step.instead)
            return other
        self.known = known.missed(step.lacked, f"the route {_STRAYS}, in the prompt neither: expect dead letters")
        return taken

    async def _take(self, candidate: _Candidate, dialect: Dialect) -> _Taken | Fault:
        """Ask until the route takes the request, each time without one more of what it refuses."""
        while True:
            backend = candidate.make(dialect)
            result = await ask_all(self.model, Route(self.model, backend.first, self.draw).question([_HARMLESS]))
            if isinstance(result, Answer) and backend.first is not backend:
                result = await ask_all(self.model, Route(self.model, backend, self.draw).question([_HARMLESS]))
            if isinstance(result, Answer):
                return _Taken(dialect, backend, result)
            if not isinstance(result, Unclear):
                return result
            step = without(dialect, named_by(result), self.wishes.insisted)
            if step is None:
                return _barred(result)
            self.known = self.known.missed(step.lacked, step.instead)
            dialect = step.dialect


def _candidates(task: Task, wishes: Wishes, known: Capabilities) -> Iterator[_Candidate]:
    """Yield what may be tried, best first: log-probabilities, a decision route, agreement, the model's word.

    Log-probabilities come before a decision route, because there a call is about one message only.
    """
    chat = wishes.backend in ("auto", "chat")
    hopeless = wishes.logprobs == "auto" and Capability.LOGPROBS in known.lacks
    if chat and wishes.logprobs != "off" and not hopeless and (task.classified() or wishes.logprobs == "on"):
        yield _Candidate(lambda dialect: Prompt(task, replace(dialect, signal=SignalKind.LOGPROBS)), Capability.LOGPROBS)
    if not (chat and wishes.logprobs == "on") and fits_a_sheet(task):
        wires: tuple[tuple[Literal[Wire.DECISIONS, Wire.SYSTEMONE], Capability], ...] = (
            (Wire.DECISIONS, Capability.DECISIONS),
            (Wire.SYSTEMONE, Capability.SYSTEMONE),
        )
        for wire, capability in wires:
            if wishes.backend == capability.value or (wishes.backend == "auto" and capability not in known.lacks):
                yield _Candidate(partial(_decided, task, wishes.decisions_model, wire), capability)
    if chat and wishes.logprobs != "on" and wishes.votes and accepts_agreement(task):
        yield _Candidate(lambda dialect: Agreement(task, replace(dialect, signal=SignalKind.AGREEMENT), wishes.votes), None)
    if chat and wishes.logprobs != "on":
        yield _Candidate(lambda dialect: Prompt(task, _banded(dialect)), None)


def _decided(
    task: Task, decisions_model: str | None, wire: Literal[Wire.DECISIONS, Wire.SYSTEMONE], dialect: Dialect
) -> Backend:
    return decision_backend(task, _banded(dialect), decisions_model or dialect.model, wire)


def _banded(dialect: Dialect) -> Dialect:
    return replace(dialect, signal=SignalKind.BAND)


def _why_none(task: Task) -> str:
    if not task.classified():
        return "it has no label to decide, so set model.backend to chat"
    if task.context is not None:
        return "a decision route takes no context beside a text, so set model.backend to chat"
    if not task.accepts_decisions():
        return "its thresholds say nothing of decisions, so add thresholds.decisions"
    return "a label field has more labels than a decision route takes, so set model.backend to chat"


def _barred(unclear: Unclear) -> Barred:
    said = f"{unclear.why}: {unclear.said}" if unclear.said else unclear.why
    return Barred(f"the route refuses even a harmless request, so check the model's name and its settings ({said})")
