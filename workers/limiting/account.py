"""The account: which call may start next, and when. Pure: one state, one clock, and both are handed in.

Whoever asks joins one queue. Its head starts when nothing is in the way: no refusal that asked everyone to wait, no open
breaker, no more calls under way than help, and room for its request and for its tokens at once. Nobody overtakes, so a large
call waits its turn and not for ever. Who can still grow does not join: it looks (`opens_in`) and starts when it may. Tokens are
reserved by estimate and settled by what the provider counted. Calls made again after a fault have a queue and a budget of their
own, so that they never hold up first ones.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import assert_never

from workers.limiting.breaker import Breaker, BreakerState
from workers.limiting.bucket import Bucket
from workers.limiting.concurrency import Concurrency
from workers.limiting.hedging import Hedging
from workers.limiting.loan import Part
from workers.limiting.outcome import Abandoned, Answered, Failed, Limited, Outcome, Unused
from workers.limiting.quota import Known, Left, Quota
from workers.limiting.retries import RetryBudget
from workers.patience import Patience

PACE_SECONDS = 0.2  # a burst at most: well within the second over which providers enforce a minute's limit


@dataclass(frozen=True, slots=True)
class Ticket:
    """A place in the queue, and what is reserved for the call: tokens, and requests where it is made of several."""

    number: int
    tokens: int
    again: bool
    requests: int = 1


class Account:
    """See the module's docstring."""

    def __init__(
        self, quota: Quota, patience: Patience, concurrency: Concurrency, retries: RetryBudget, hedging: Hedging
    ) -> None:
        self._quota = quota
        self._patience = patience
        self._concurrency = concurrency
        self._retries = retries
        self._hedging = hedging
        self._breaker = Breaker(patience)
        self._first: OrderedDict[Ticket, None] = OrderedDict()
        self._again: OrderedDict[Ticket, None] = OrderedDict()
        self._issued = self._latest = 0
        self._under_way: set[int] = set()
        self._unpaid_requests: set[int] = set()  # those that started before the limit was known: they give nothing back
        self._unpaid_tokens: set[int] = set()
        self._requests = Bucket(quota.known().requests_per_minute, PACE_SECONDS, least=1.0)
        self._tokens = Bucket(quota.known().tokens_per_minute, PACE_SECONDS, least=1.0)
        self._closed_until = float("-inf")
        self._refusals = 0

    @property
    def waiting(self) -> int:
        return len(self._first) + len(self._again)

    @property
    def most_in_flight(self) -> int:
        """How many calls may be under way now."""
        return self._concurrency.limit

    @property
    def steady(self) -> bool:
        """Whether that number is not being tried out just now."""
        return self._concurrency.steady

    @property
    def breaker(self) -> BreakerState:
        return self._breaker.state

    def known(self) -> Known:
        """Return the account's limits as they are known now."""
        return self._quota.known()

    def left(self) -> Left:
        """Return what the provider said is left of them."""
        return self._quota.left()

    @property
    def part(self) -> Part:
        return self._quota.part

    def budget(self, wanted: Known, part: float) -> None:
        """Take these limits for those of the settings, where they are not None, and use only this part of all, in (0, 1]."""
        self._quota.budget(wanted, part)

    def share(self, share: float) -> None:
        """Use only this share of the limits, in (0, 1], and what the account has to spare."""
        self._quota.share(share)

    def enter(self, tokens: int, requests: int = 1, *, again: bool = False) -> Ticket:
        """Join the queue for a call of about so many tokens, input and output, in so many requests.

        `again` after a provider's fault.
        """
        self._issued += 1
        ticket = Ticket(self._issued, max(1, tokens), again, max(1, requests))
        self._queue_of(ticket)[ticket] = None
        return ticket

    def leave(self, ticket: Ticket) -> None:
        """Leave the queue before being admitted."""
        del self._queue_of(ticket)[ticket]

    def admit(self, now: float) -> list[Ticket]:
        """Return who may start now, in order; each owes one `report`."""
        self._set_pace(now)
        admitted = []
        while (ticket := self._next(now)) is not None and self._wait_of(ticket, now) <= 0:
            del self._queue_of(ticket)[ticket]
            self._started(ticket, now)
            admitted.append(ticket)
        return admitted

    def opens_in(self, tokens: int, requests: int, now: float) -> float:
        """Return how long a first call that joins nothing has to wait; infinite until the end of another one."""
        self._set_pace(now)
        ahead = self._next(now)
        if ahead is not None and not (ahead.again and self._retries.wait_seconds(now) > 0):
            return float("inf")
        return self._wait_of(Ticket(0, max(1, tokens), again=False, requests=max(1, requests)), now)

    def start(self, tokens: int, requests: int, now: float) -> Ticket:
        """Start a first call that `opens_in` let go. It may cost a little more: who comes next waits that off."""
        self._issued += 1
        ticket = Ticket(self._issued, max(1, tokens), again=False, requests=max(1, requests))
        self._started(ticket, now)
        return ticket

    def _started(self, ticket: Ticket, now: float) -> None:
        self._requests.take(ticket.requests, now)
        self._tokens.take(ticket.tokens, now)
        self._breaker.started(ticket.number)
        if ticket.again:
            self._retries.again(now)
        else:
            self._retries.first()
        self._under_way.add(ticket.number)
        self._concurrency.started(len(self._under_way))
        self._latest = max(self._latest, ticket.number)

    def slow_seconds(self) -> float | None:
        """Return after how long a call may be asked a second time; None is never."""
        return self._hedging.after_seconds()

    def hedge(self, slow: Ticket, now: float) -> Ticket | None:
        """Admit the slow call a second time, at once or not at all: only if nobody waits and twice as much would do."""
        requests, tokens = slow.requests, slow.tokens
        scarce = self._requests.wait_seconds(2 * requests, now) > 0 or self._tokens.wait_seconds(2 * tokens, now) > 0
        if self.waiting or scarce or self._breaker.state is not BreakerState.CLOSED or not self._hedging.earned():
            return None
        ticket = self.enter(tokens, requests)
        if self.admit(now) != [ticket]:
            self.leave(ticket)
            return None
        self._hedging.hedged()
        return ticket

    def wait_seconds(self, now: float) -> float | None:
        """Return when to look again for whoever is next. None when nobody waits, or for the end of a call."""
        ticket = self._next(now)
        seconds = self._wait_of(ticket, now) if ticket is not None else float("inf")
        return seconds if seconds < float("inf") else None

    def report(self, ticket: Ticket, outcome: Outcome, now: float, chance: float) -> None:
        """Settle an admitted call. `chance` is uniform in [0, 1): it spreads a fleet that was refused at once."""
        match outcome:
            case Answered(tokens=tokens, allowances=allowances, seconds=seconds, limited=limited):
                if seconds is not None:
                    self._hedging.answered(seconds)
                self._quota.told(allowances, now)
                self._answered(ticket, ticket.tokens if tokens is None else tokens, now)
                if limited is not None:
                    self._refused(ticket, limited, now, chance)
            case Limited():
                self._settle(ticket, 0, now)  # the request was counted, the tokens were not
                self._refused(ticket, outcome, now, chance)
            case Failed(after_seconds=seconds, allowances=allowances):
                self._quota.told(allowances, now)
                if self._breaker.state is BreakerState.CLOSED:  # who is down does not tell how many calls he bears
                    self._concurrency.failed(ticket.number, self._latest)
                self._breaker.failed(ticket.number, seconds, now, chance)
                self._settle(ticket, ticket.tokens, now)
            case Abandoned():
                self._settle(ticket, ticket.tokens, now)
            case Unused():
                if ticket.number not in self._unpaid_requests:
                    self._requests.give(ticket.requests, now)
                self._settle(ticket, 0, now)
                if ticket.again:
                    self._retries.not_in_vain()
            case _:
                assert_never(outcome)
        self._breaker.ended(ticket.number)
        for calls in (self._under_way, self._unpaid_requests, self._unpaid_tokens):
            calls.discard(ticket.number)

    def _answered(self, ticket: Ticket, tokens: int, now: float) -> None:
        self._refusals = 0
        self._breaker.answered()
        if ticket.again:
            self._retries.not_in_vain()
        self._concurrency.ended(tokens, now)
        self._settle(ticket, tokens, now)

    def _settle(self, ticket: Ticket, used: int, now: float) -> None:
        if ticket.number not in self._unpaid_tokens:
            self._tokens.give(ticket.tokens - used, now)
        self._quota.used(used, now)

    def _refused(self, ticket: Ticket, limited: Limited, now: float, chance: float) -> None:
        self._quota.told(limited.allowances, now)
        self._breaker.answered()  # whoever refuses is there
        self._quota.refused(slow_down=limited.slow_down, now=now)
        if self.known() == Known():  # no pace to slow down: only fewer calls help
            self._concurrency.refused(ticket.number, self._latest)
        if now >= self._closed_until or self._refusals == 0:  # an answer in the pause began the count anew
            self._refusals += 1
        seconds = self._patience.wait_seconds(limited.after_seconds, self._refusals, chance)
        self._closed_until = max(self._closed_until, now + seconds)

    def _queue_of(self, ticket: Ticket) -> OrderedDict[Ticket, None]:
        return self._again if ticket.again else self._first

    def _next(self, now: float) -> Ticket | None:
        """Return who is next: the oldest, but one that asks again waits for its budget and lets others pass."""
        first, again = next(iter(self._first), None), next(iter(self._again), None)
        if first is None or again is None:
            return first or again
        return again if again.number < first.number and self._retries.wait_seconds(now) <= 0 else first

    def _wait_of(self, ticket: Ticket, now: float) -> float:
        if len(self._under_way) >= self._concurrency.limit:
            return float("inf")  # whatever else is in the way: the number of calls is
        limits = max(self._requests.wait_seconds(ticket.requests, now), self._tokens.wait_seconds(ticket.tokens, now))
        if limits > 0:
            self._quota.held(now)
        seconds = max(
            limits,
            self._closed_until - now,
            self._breaker.wait_seconds(now),
            self._retries.wait_seconds(now) if ticket.again else 0.0,
        )
        if seconds > 0:
            self._concurrency.held_otherwise()
        return seconds

    def _set_pace(self, now: float) -> None:
        rates = self._quota.rates(now)
        if self._requests.pace(rates.requests_per_minute, now):
            self._unpaid_requests = set(self._under_way)
        if self._tokens.pace(rates.tokens_per_minute, now):
            self._unpaid_tokens = set(self._under_way)
