"""The limiter: the account's thin driver. Whoever wants to call waits here, and is woken when it may."""

import asyncio
from collections.abc import Callable

from workers.limiting.account import Account, Ticket
from workers.limiting.breaker import BreakerState
from workers.limiting.loan import Part
from workers.limiting.outcome import Outcome, Unused
from workers.limiting.quota import Known, Left


class Limiter:
    """One for each account and model: every task that asks with the same key shares it."""

    def __init__(self, account: Account, clock: Callable[[], float], chance: Callable[[], float]) -> None:
        self._account = account
        self._clock = clock
        self._chance = chance
        self._waiters: dict[Ticket, asyncio.Future[None]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._turned_away: set[Callable[[], None]] = set()  # how to wake whoever looked in vain

    @property
    def waiting(self) -> int:
        """How many calls the limits hold back."""
        return len(self._waiters) + len(self._turned_away)

    @property
    def most_in_flight(self) -> int:
        """How many calls may be under way now."""
        return self._account.most_in_flight

    @property
    def steady(self) -> bool:
        """Whether that number is not being tried out just now."""
        return self._account.steady

    @property
    def breaker(self) -> BreakerState:
        return self._account.breaker

    def share(self, share: float | None) -> None:
        """Use only this share of the limits, in (0, 1], and what the headers show that others leave; None changes nothing."""
        if share is not None and share != self._account.part.share:
            self._account.share(share)
            self._admit()

    def budget(self, wanted: Known, part: float) -> None:
        """Take these limits for those of the settings, where they are not None, and use only this part of all, in (0, 1]."""
        self._account.budget(wanted, part)
        self._admit()

    @property
    def part(self) -> Part:
        """Which part of the account's limits is used here."""
        return self._account.part

    def known(self) -> Known:
        """Return the account's limits as they are known now."""
        return self._account.known()

    def left(self) -> Left:
        """Return what the provider said is left of its limits."""
        return self._account.left()

    async def enter(self, tokens: int, requests: int = 1, *, again: bool = False) -> Ticket:
        """Return when a call of about so many tokens, input and output, may start; it owes one `report`.

        `requests` is more than one where it is made of several; `again` tells one that is made again after a provider's fault.
        """
        ticket = self._account.enter(tokens, requests, again=again)
        waiter = self._waiters[ticket] = asyncio.get_running_loop().create_future()
        self._admit()
        try:
            await waiter
        except asyncio.CancelledError:
            if self._waiters.pop(ticket, None) is None:
                self.report(ticket, Unused())
            else:
                self._account.leave(ticket)
                self._admit()
            raise
        return ticket

    def opens_in(self, tokens: int, requests: int, wake: Callable[[], None]) -> float:
        """Return in how many seconds a call of this size could start: 0 is now. `wake` is called once when that has changed."""
        seconds = self._account.opens_in(tokens, requests, self._clock())
        if seconds > 0:
            self._turned_away.add(wake)
        else:
            self._turned_away.discard(wake)
        return seconds

    def start(self, tokens: int, requests: int = 1) -> Ticket:
        """Start a call that `opens_in` has just let go; it owes one `report`."""
        return self._account.start(tokens, requests, self._clock())

    def slow_seconds(self) -> float | None:
        """Return after how long a call may be asked a second time; None is never."""
        return self._account.slow_seconds()

    def hedge(self, slow: Ticket) -> Ticket | None:
        """Return leave to make the slow call a second time, of as many requests and tokens, or None; it owes one `report`."""
        return None if self._turned_away else self._account.hedge(slow, self._clock())

    def report(self, ticket: Ticket, outcome: Outcome) -> None:
        """Say what became of an admitted call."""
        self._account.report(ticket, outcome, self._clock(), self._chance())
        self._admit()

    def _admit(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        now = self._clock()
        for ticket in self._account.admit(now):
            waiter = self._waiters.pop(ticket)
            if not waiter.done():
                waiter.set_result(None)
        seconds = self._account.wait_seconds(now)
        if seconds is not None:
            self._timer = asyncio.get_running_loop().call_later(seconds, self._admit)
        turned_away, self._turned_away = self._turned_away, set()
        for wake in turned_away:
            wake()
