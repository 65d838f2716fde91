"""Calls: where asking meets limiting. A call waits for its permit, is made, and tells what it used. Decides nothing."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, assert_never

from schemas.message import Message
from workers.asking.model import Answer, Barred, Broken, Fault, Question, Refused, TooBig, Trouble, TryAgain
from workers.asking.route import Route
from workers.batching.room import ENDLESS, Room, too_long
from workers.batching.tokens import TokenCost
from workers.batching.window import Load
from workers.limiting.account import Ticket
from workers.limiting.limiter import Limiter
from workers.limiting.outcome import Abandoned, Answered, Failed, Limited, Outcome, Unused

Hedge = Literal["first", "second"]
Call = asyncio.Task[Answer | Fault]
_ABANDONED: Outcome = Abandoned()


@dataclass(frozen=True, slots=True)
class Asked:
    """What came back and the seconds that it took. `hedge` tells which of two calls won, where two were made."""

    result: Answer | Fault
    seconds: float
    hedge: Hedge | None


@dataclass(frozen=True, slots=True)
class Calls:
    """The calls of one task's route, under the limits of the account."""

    route: Route
    cost: TokenCost
    limiter: Limiter
    clock: Callable[[], float]
    room: Room = ENDLESS

    def unfit(self, messages: Sequence[Message]) -> TooBig | None:
        """Return the fault of a call about these messages that the model cannot take, without making it."""
        if self.room.context_tokens is None:
            return None
        largest = self.route.backend.largest.overhead(len(messages))
        texts = sum(self.cost.estimate(message.words) for message in messages)
        needed = largest.static_bytes / self.cost.bytes_per_token + texts + largest.output_tokens
        why = too_long(self.room, len(messages), needed)
        return None if why is None else TooBig(why)

    async def permit(self, messages: Sequence[Message], *, again: bool) -> "Permit":
        """Return when a call about these messages may be made; the permit owes one `ask` or `unused`.

        `again` after a provider's fault: such calls have a budget.
        """
        began = self.clock()
        requests, tokens = self.price(messages)
        ticket = await self.limiter.enter(tokens, requests, again=again)
        return Permit(self, ticket, self.clock() - began)

    def opens_in(self, load: Load, wake: Callable[[], None]) -> float:
        """Return in how many seconds a call with this load could start: 0 is now. `wake` is called once when that changes."""
        requests, tokens = self._price(load.items, load.tokens)
        return self.limiter.opens_in(tokens, requests, wake)

    def start(self, load: Load, waited_seconds: float) -> "Permit":
        """Return the permit for a call that may start now, as `opens_in` has just told."""
        requests, tokens = self._price(load.items, load.tokens)
        return Permit(self, self.limiter.start(tokens, requests), waited_seconds)

    def price(self, messages: Sequence[Message]) -> tuple[int, int]:
        """Return how many requests a question about these messages is, and about how many tokens at most.

        Counted are what is asked, the texts as often as they are sent, and all room for the answers.
        """
        return self._price(len(messages), sum(self.cost.estimate(message.words) for message in messages))

    def _price(self, count: int, texts: int) -> tuple[int, int]:
        backend = self.route.backend
        overhead = backend.overhead(count)
        more = (overhead.static_bytes - backend.overhead(1).static_bytes) / self.cost.bytes_per_token
        return overhead.requests, int(self.cost.static + more) + overhead.copies * texts + overhead.output_tokens


@dataclass(frozen=True, slots=True)
class Permit:
    """Leave to make one call."""

    calls: Calls
    ticket: Ticket
    waited_seconds: float

    async def ask(self, question: Question) -> Asked:
        """Make the call; a slow one is made a second time where hedging is on, and the first answer counts."""
        calls, started = self.calls, self.calls.clock()
        slow = calls.limiter.slow_seconds()
        if slow is None:
            outcome = _ABANDONED
            try:
                result = await calls.route.ask(question)
                outcome = outcome_of(result, calls.clock() - started)
            finally:
                calls.limiter.report(self.ticket, outcome)
            return Asked(result, calls.clock() - started, None)
        first = self._start(question, self.ticket)
        running = [first]
        try:
            await asyncio.wait(running, timeout=slow)
            if not first.done() and (ticket := calls.limiter.hedge(self.ticket)) is not None:
                running.append(self._start(question, ticket))
            won = await first_answered(running)
        finally:
            for task in running:
                task.cancel()
        hedge: Hedge | None = None if len(running) == 1 else "first" if won is first else "second"
        return Asked(won.result(), calls.clock() - started, hedge)

    def _start(self, question: Question, ticket: Ticket) -> Call:
        """Start a call that reports for itself, also when it is cancelled before it began."""
        calls, started = self.calls, self.calls.clock()
        task: Call = asyncio.ensure_future(calls.route.ask(question))

        def ended(call: Call) -> None:
            outcome = _ABANDONED if call.cancelled() or call.exception() else outcome_of(call.result(), calls.clock() - started)
            calls.limiter.report(ticket, outcome)

        task.add_done_callback(ended)
        return task

    def unused(self) -> None:
        """Give everything back: there is nothing to ask any more."""
        self.calls.limiter.report(self.ticket, Unused())


async def first_answered(calls: Sequence[Call]) -> Call:
    """Return the call that is answered first, or the last to fail."""
    pending = set(calls)
    while True:
        done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        ended = sorted(done, key=lambda call: not isinstance(call.result(), Answer))  # both may have, at the same moment
        if not pending or isinstance(ended[0].result(), Answer):
            return ended[0]


def outcome_of(result: Answer | Fault, seconds: float | None = None) -> Outcome:
    """Return what a result means for the limits. A fault of a text or of the account is an answer: the provider works."""
    match result:
        case Answer(usage=usage, allowances=allowances, limited=limited):
            refusal = None if limited is None else _limited(limited)
            return Answered(usage.input + usage.output or None, allowances, seconds, refusal)
        case TryAgain(after_seconds=seconds, trouble=Trouble.FAULT, allowances=allowances):
            return Failed(seconds, allowances)
        case TryAgain():
            return _limited(result)
        case TooBig() | Refused() | Broken() | Barred():
            return Answered(None)
        case _:
            assert_never(result)


def _limited(refusal: TryAgain) -> Limited:
    return Limited(refusal.after_seconds, refusal.trouble is Trouble.SLOW_DOWN, refusal.allowances)
