"""Calls: where asking meets limiting. A call waits for its permit, is made, and tells what it used. Decides nothing."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import assert_never

from schemas.message import Message
from workers.asking.model import Answer, Barred, Broken, Fault, Question, Refused, TooBig, Trouble, TryAgain
from workers.asking.route import Route
from workers.batching.tokens import TokenCost
from workers.limiting.account import Ticket
from workers.limiting.limiter import Limiter
from workers.limiting.outcome import Abandoned, Answered, Failed, Limited, Outcome, Unused

_ABANDONED: Outcome = Abandoned()


@dataclass(frozen=True, slots=True)
class Calls:
    """The calls of one task's route, under the limits of the account."""

    route: Route
    cost: TokenCost
    limiter: Limiter
    clock: Callable[[], float]

    async def permit(self, messages: Sequence[Message], *, again: bool) -> "Permit":
        """Return when a call about these messages may be made; the permit owes one `ask` or `unused`.

        `again` after a provider's fault: such calls have a budget.
        """
        began = self.clock()
        ticket = await self.limiter.enter(self.tokens(messages), again=again)
        return Permit(self, ticket, self.clock() - began)

    def tokens(self, messages: Sequence[Message]) -> int:
        """Return about how many tokens a call about these messages takes at most: the prompt, and all room for the answer."""
        texts = sum(self.cost.estimate(message.text) for message in messages)
        return int(self.cost.static) + texts + self.route.prompt.most_output_tokens(len(messages))


@dataclass(frozen=True, slots=True)
class Permit:
    """Leave to make one call."""

    calls: Calls
    ticket: Ticket
    waited_seconds: float

    async def ask(self, question: Question) -> tuple[Answer | Fault, float]:
        """Return what came back and the seconds that it took."""
        calls, outcome = self.calls, _ABANDONED
        started = calls.clock()
        try:
            result = await calls.route.ask(question)
            outcome = outcome_of(result)
        finally:
            calls.limiter.report(self.ticket, outcome)
        return result, calls.clock() - started

    def unused(self) -> None:
        """Give everything back: there is nothing to ask any more."""
        self.calls.limiter.report(self.ticket, Unused())


def outcome_of(result: Answer | Fault) -> Outcome:
    """Return what a result means for the limits. A fault of a text or of the account is an answer: the provider works."""
    match result:
        case Answer(usage=usage, allowances=allowances):
            return Answered(usage.input + usage.output or None, allowances)
        case TryAgain(after_seconds=seconds, trouble=Trouble.FAULT, allowances=allowances):
            return Failed(seconds, allowances)
        case TryAgain(after_seconds=seconds, trouble=trouble, allowances=allowances):
            return Limited(seconds, trouble is Trouble.SLOW_DOWN, allowances)
        case TooBig() | Refused() | Broken() | Barred():
            return Answered(None)
        case _:
            assert_never(result)
