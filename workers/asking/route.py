"""A route: one task's questions to one model, with its backend and signal settled by asking rather than by the model's name.

The harmless question has two uses. At start it warms the provider's schema cache, shows whether the route honours the
request and whether it really returns what the labels are to be judged by. Later, when the route refuses a request outright,
it tells whose fault that is: if the harmless question is answered, the texts'; if it is not, the set-up's.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from schemas.message import Message
from schemas.task import Task
from schemas.verdict import SignalKind
from workers.asking.backends import Backend, decision_backend
from workers.asking.calling import ask_all
from workers.asking.decisions import fits_a_sheet
from workers.asking.model import Answer, Barred, Broken, Fault, Model, Question, Unclear, Wire, Wrong
from workers.asking.prompt import Dialect, Prompt
from workers.asking.refs import distinct_refs

_HARMLESS = Message("Hello, I have a question about my order.", "harmless", None, None, {})

Switch = Literal["auto", "on", "off"]


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the operator insists on or forbids; auto leaves it to what the route is found to do.

    `decisions_model` is the model that decision routes are asked for; None is the dialect's.
    """

    backend: Literal["auto", "chat", "decisions", "systemone"] = "auto"
    logprobs: Switch = "auto"
    decisions_model: str | None = None


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

    The order is the one of `_candidates`; the next is tried when the route refuses one, or ignores what makes it good.
    """
    fault: Fault | None = None
    for backend in _candidates(task, dialect, wishes):
        route = Route(model, backend, draw)
        result = await Route(model, backend.first, draw).probe()
        if isinstance(result, Answer) and backend.first is not backend:
            result = await route.probe()
        if isinstance(result, Answer):
            if backend.signal is not SignalKind.LOGPROBS or result.tokens:
                return route
            result = Barred("the route ignores `logprobs`: set model.logprobs to auto or off")
        elif not (isinstance(result, Barred) or (wishes.backend == "auto" and backend.signal is SignalKind.DISTRIBUTION)):
            return result  # a server may answer a path it does not know with anything, but nobody insisted on that one
        fault = result
    return fault or Barred(f"task {task.name} cannot be asked of model.backend {wishes.backend}: {_why_none(task)}")


def _candidates(task: Task, dialect: Dialect, wishes: Wishes) -> Iterator[Backend]:
    """Yield what may be tried, best first: log-probabilities, a decision route, the model's word.

    Log-probabilities come before a decision route, because there a call is about one message only.
    """
    chat = wishes.backend in ("auto", "chat")
    if chat and wishes.logprobs != "off" and (task.classified() or wishes.logprobs == "on"):
        yield Prompt(task, replace(dialect, signal=SignalKind.LOGPROBS))
    banded = replace(dialect, signal=SignalKind.BAND)
    if not (chat and wishes.logprobs == "on") and fits_a_sheet(task):
        wires: dict[str, tuple[Literal[Wire.DECISIONS, Wire.SYSTEMONE], ...]] = {
            "auto": (Wire.DECISIONS, Wire.SYSTEMONE),
            "decisions": (Wire.DECISIONS,),
            "systemone": (Wire.SYSTEMONE,),
        }
        for wire in wires.get(wishes.backend, ()):
            yield decision_backend(task, banded, wishes.decisions_model or dialect.model, wire)
    if chat and wishes.logprobs != "on":
        yield Prompt(task, banded)


def _why_none(task: Task) -> str:
    if not task.classified():
        return "it has no label to decide, so set model.backend to chat"
    if not task.accepts_decisions():
        return "its thresholds say nothing of decisions, so add thresholds.decisions"
    return "a label field has more labels than a decision route takes, so set model.backend to chat"


def _barred(unclear: Unclear) -> Barred:
    said = f"{unclear.why}: {unclear.said}" if unclear.said else unclear.why
    return Barred(f"the route refuses even a harmless request, so check the model's name and its settings ({said})")
