"""A route: one task's questions to one model, with its backend and signal settled by asking rather than by the model's name.

The harmless question has two uses. At start it warms the provider's schema cache, shows whether the route honours the
request and whether it really returns what the labels are to be judged by. Later, when the route refuses a request outright,
it tells whose fault that is: if the harmless question is answered, the texts'; if it is not, the set-up's.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

from schemas.message import Message
from schemas.task import Task
from schemas.verdict import SignalKind
from workers.asking.agreement import Agreement, accepts_agreement
from workers.asking.backends import Backend, decision_backend
from workers.asking.calling import ask_all
from workers.asking.decisions import fits_a_sheet
from workers.asking.degrade import without
from workers.asking.model import Answer, Barred, Broken, Fault, Model, Question, Unclear, Wire, Wrong
from workers.asking.prompt import Dialect, Prompt
from workers.asking.refs import distinct_refs

_HARMLESS = Message("Hello, I have a question about my order.", "harmless", None, None, {})

Switch = Literal["auto", "on", "off"]
Candidate = Callable[[Dialect], Backend]


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the operator insists on or forbids; auto leaves it to what the route is found to do.

    `decisions_model` is the model that decision routes are asked for; None is the dialect's. `insisted` are options of the
    request that the operator set, so that they are not left out when a route refuses them (`workers.asking.degrade`). `votes`
    is how many further answers to ask for where there are no probabilities.
    """

    backend: Literal["auto", "chat", "decisions", "systemone"] = "auto"
    logprobs: Switch = "auto"
    decisions_model: str | None = None
    insisted: frozenset[str] = frozenset()
    votes: int = 0


@dataclass(frozen=True, slots=True)
class Route:
    """What the pipeline asks: `question` is pure, `ask` makes the calls of one question."""

    model: Model
    backend: Backend
    draw: Callable[[int], int]

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


async def open_route(model: Model, task: Task, dialect: Dialect, wishes: Wishes, draw: Callable[[int], int]) -> Route | Fault:
    """Return the route with the best signal it really has, or why it cannot be asked.

    The order is the one of `_candidates`; the next is tried when the route refuses one, or ignores what makes it good. Each
    is asked without the options that the route refuses, before it is given up.
    """
    fault: Fault | None = None
    for candidate in _candidates(task, wishes):
        opened = await _try(model, candidate, dialect, wishes.insisted, draw)
        if isinstance(opened, Route):
            return opened
        signal = candidate(dialect).signal
        if not (isinstance(opened, Barred) or (wishes.backend == "auto" and signal is SignalKind.DISTRIBUTION)):
            return opened  # a server may answer a path it does not know with anything, but nobody insisted on that one
        fault = opened
    return fault or Barred(f"task {task.name} cannot be asked of model.backend {wishes.backend}: {_why_none(task)}")


async def _try(
    model: Model, candidate: Candidate, dialect: Dialect, insisted: Collection[str], draw: Callable[[int], int]
) -> Route | Fault:
    """Ask until the route takes the request, each time without one more of the options that it refuses."""
    while True:
        backend = candidate(dialect)
        route = Route(model, backend, draw)
        result = await ask_all(model, Route(model, backend.first, draw).question([_HARMLESS]))
        if isinstance(result, Answer) and backend.first is not backend:
            result = await ask_all(model, route.question([_HARMLESS]))
        match result:
            case Answer(tokens=tokens):
                if backend.signal is not SignalKind.LOGPROBS or tokens:
                    return route
                return Barred("the route ignores `logprobs`: set model.logprobs to auto or off")
            case Unclear(param=named):
                smaller = without(dialect, named, insisted)
                if smaller is None:
                    return _barred(result)
                dialect = smaller
            case fault:
                return fault


def _candidates(task: Task, wishes: Wishes) -> Iterator[Candidate]:
    """Yield what may be tried, best first: log-probabilities, a decision route, agreement, the model's word.

    Log-probabilities come before a decision route, because there a call is about one message only.
    """
    chat = wishes.backend in ("auto", "chat")
    if chat and wishes.logprobs != "off" and (task.classified() or wishes.logprobs == "on"):
        yield lambda dialect: Prompt(task, replace(dialect, signal=SignalKind.LOGPROBS))
    if not (chat and wishes.logprobs == "on") and fits_a_sheet(task):
        wires: dict[str, tuple[Literal[Wire.DECISIONS, Wire.SYSTEMONE], ...]] = {
            "auto": (Wire.DECISIONS, Wire.SYSTEMONE),
            "decisions": (Wire.DECISIONS,),
            "systemone": (Wire.SYSTEMONE,),
        }
        for wire in wires.get(wishes.backend, ()):
            yield partial(_decided, task, wishes.decisions_model, wire)
    if chat and wishes.logprobs != "on" and wishes.votes and accepts_agreement(task):
        yield lambda dialect: Agreement(task, replace(dialect, signal=SignalKind.AGREEMENT), wishes.votes)
    if chat and wishes.logprobs != "on":
        yield lambda dialect: Prompt(task, _banded(dialect))


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
