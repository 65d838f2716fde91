"""A route: one task's prompt on one model, with its signal settled by asking rather than by the model's name.

The harmless question has two uses. At start it warms the provider's schema cache, shows whether the route honours the
request and whether it really returns log-probabilities. Later, when the route refuses a request outright, it tells whose
fault that is: if the harmless question is answered, the texts'; if it is not, the set-up's.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from schemas.message import Message
from schemas.task import Task
from schemas.verdict import SignalKind
from workers.asking.model import Answer, Barred, Broken, Fault, Model, Question, Unclear
from workers.asking.prompt import Dialect, Prompt

_HARMLESS = Message("Hello, I have a question about my order.", "harmless", None, None, {})


@dataclass(frozen=True, slots=True)
class Route:
    """What the pipeline asks: `question` is pure, `ask` is one call."""

    model: Model
    prompt: Prompt
    draw: Callable[[int], int]

    def question(self, messages: Sequence[Message]) -> Question:
        return self.prompt.question(messages, self.draw)

    async def ask(self, question: Question) -> Answer | Fault:
        result = await self.model.ask(question)
        if not isinstance(result, Unclear):
            return result
        probe = await self.model.ask(self.question([_HARMLESS]))
        if isinstance(probe, Answer):
            return Broken(result.why)
        return _barred(probe) if isinstance(probe, Unclear) else probe

    async def probe(self) -> Answer | Fault:
        """Ask the harmless question."""
        result = await self.model.ask(self.question([_HARMLESS]))
        return _barred(result) if isinstance(result, Unclear) else result


async def open_route(
    model: Model, task: Task, dialect: Dialect, logprobs: Literal["auto", "on", "off"], draw: Callable[[int], int]
) -> Route | Fault:
    """Return the route with the best signal it really has, or why it cannot be asked.

    `on` insists on log-probabilities; `auto` falls back to the stated band.
    """
    fault: Fault | None = None
    for signal in _signals(logprobs):
        route = Route(model, Prompt(task, replace(dialect, signal=signal)), draw)
        result = await route.probe()
        if isinstance(result, Answer):
            if signal is SignalKind.BAND or result.tokens:
                return route
            result = Barred("the route ignores `logprobs`: set model.logprobs to auto or off")
        elif not isinstance(result, Barred):
            return result
        fault = result
    return fault or Barred("no signal is allowed: set model.logprobs to auto, on or off")


def _signals(logprobs: Literal["auto", "on", "off"]) -> tuple[SignalKind, ...]:
    return {
        "auto": (SignalKind.LOGPROBS, SignalKind.BAND),
        "on": (SignalKind.LOGPROBS,),
        "off": (SignalKind.BAND,),
    }[logprobs]


def _barred(unclear: Unclear) -> Barred:
    said = f"{unclear.why}: {unclear.said}" if unclear.said else unclear.why
    return Barred(f"the route refuses even a harmless request, so check the model's name and its settings ({said})")
