"""The account: which call may start next, and when. Pure: one state, one clock, and both are handed in.

Whoever asks joins one queue. Its head starts when nothing is in the way: no refusal that asked everyone to wait, and room
for its request and for its tokens at once. Nobody overtakes, so a large call waits its turn and not for ever. Tokens are
reserved by estimate and settled by what the provider counted.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import assert_never

from workers.limiting.bucket import Bucket
from workers.limiting.outcome import Abandoned, Answered, Failed, Limited, Outcome, Unused
from workers.limiting.quota import Known, Left, Quota
from workers.patience import Patience

PACE_SECONDS = 0.2  # a burst at most: well within the second over which providers enforce a minute's limit


@dataclass(frozen=True, slots=True)
class Ticket:
    """A place in the queue, and the tokens reserved for the call."""

    number: int
    tokens: int


class Account:
    """See the module's docstring."""

    def __init__(self, quota: Quota, patience: Patience) -> None:
        self._quota = quota
        self._patience = patience
        self._queue: OrderedDict[Ticket, None] = OrderedDict()
        self._issued = 0
        self._requests = Bucket(quota.known().requests_per_minute, PACE_SECONDS, least=1.0)
        self._tokens = Bucket(quota.known().tokens_per_minute, PACE_SECONDS, least=1.0)
        self._closed_until = float("-inf")
        self._refusals = 0

    @property
    def waiting(self) -> int:
        return len(self._queue)

    def known(self) -> Known:
        """Return the account's limits as they are known now."""
        return self._quota.known()

    def left(self) -> Left:
        """Return what the provider said is left of them."""
        return self._quota.left()

    def enter(self, tokens: int) -> Ticket:
        """Join the queue for a call of about so many tokens, input and output."""
        self._issued += 1
        ticket = Ticket(self._issued, max(1, tokens))
        self._queue[ticket] = None
        return ticket

    def leave(self, ticket: Ticket) -> None:
        """Leave the queue before being admitted."""
        del self._queue[ticket]

    def admit(self, now: float) -> list[Ticket]:
        """Return who may start now, in order; each owes one `report`."""
        self._set_pace(now)
        admitted = []
        while self._queue:
            ticket = next(iter(self._queue))
            if self._wait_of(ticket, now) > 0:
                break
            del self._queue[ticket]
            self._requests.take(1, now)
            self._tokens.take(ticket.tokens, now)
            admitted.append(ticket)
        return admitted

    def wait_seconds(self, now: float) -> float | None:
        """Return when to look again for whoever is next, or None when nobody waits."""
        return self._wait_of(next(iter(self._queue)), now) if self._queue else None

    def report(self, ticket: Ticket, outcome: Outcome, now: float, chance: float) -> None:
        """Settle an admitted call. `chance` is uniform in [0, 1): it spreads a fleet that was refused at once."""
        match outcome:
            case Answered(tokens=tokens, allowances=allowances):
                self._refusals = 0
                self._quota.told(allowances, now)
                self._settle(ticket, ticket.tokens if tokens is None else tokens, now)
            case Limited():
                self._settle(ticket, 0, now)  # the request was counted, the tokens were not
                self._refused(outcome, now, chance)
            case Failed(allowances=allowances):
                self._quota.told(allowances, now)
                self._settle(ticket, ticket.tokens, now)
            case Abandoned():
                self._settle(ticket, ticket.tokens, now)
            case Unused():
                self._requests.give(1, now)
                self._settle(ticket, 0, now)
            case _:
                assert_never(outcome)
        self._set_pace(now)

    def _settle(self, ticket: Ticket, used: int, now: float) -> None:
        self._tokens.give(ticket.tokens - used, now)
        self._quota.used(used, now)

    def _refused(self, limited: Limited, now: float, chance: float) -> None:
        self._quota.told(limited.allowances, now)
        self._quota.refused(slow_down=limited.slow_down, now=now)
        if now >= self._closed_until:
            self._refusals += 1
        seconds = self._patience.wait_seconds(limited.after_seconds, self._refusals, chance)
        self._closed_until = max(self._closed_until, now + seconds)

    def _wait_of(self, ticket: Ticket, now: float) -> float:
        closed = self._closed_until - now
        return max(0.0, closed, self._requests.wait_seconds(1, now), self._tokens.wait_seconds(ticket.tokens, now))

    def _set_pace(self, now: float) -> None:
        rates = self._quota.rates(now)
        self._requests.pace(rates.requests_per_minute, now)
        self._tokens.pace(rates.tokens_per_minute, now)
