"""How large the next batches should be, from what the calls so far have taught. Pure.

With o static tokens a call, t tokens a message, and a provider that allows R requests and T tokens a minute, batches of

    B* = (T / R - o) / t

use both up at once. Below it requests run out first and tokens lie idle. Above it tokens run out first, and a larger batch
still gains, because fewer of them are spent on the static part: so we go on until that is a tenth of a call, and no further,
since answers get worse and slower with size. Without limits the time of the slots decides (`climb`).

`max_items` bounds all of it (the settings', or an operator's lower one), `max_tokens` bounds the whole call, and what the model
finds too big halves the size, which then comes back by one message in eight full calls (additive increase, multiplicative
decrease).
"""

from collections.abc import Callable
from math import ceil, inf
from typing import NamedTuple

from workers.batching.climb import Climb
from workers.batching.tokens import Call, TokenCost
from workers.batching.window import Limits

_STATIC_SHARE = 0.1
_HYSTERESIS = 0.125
_COME_BACK = 0.125


class Allowed(NamedTuple):
    """What the provider allows a minute. None is not limited, or not known."""

    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None


def size_under_limits(allowed: Allowed, static: float, per_item: float) -> float:
    """Return the smallest batch size that wastes nothing of these limits, of which at least one is known."""
    if allowed.tokens_per_minute is None:
        return inf
    worthwhile = static * (1 - _STATIC_SHARE) / (_STATIC_SHARE * per_item)
    if allowed.requests_per_minute is None:
        return worthwhile
    return max(worthwhile, (allowed.tokens_per_minute / allowed.requests_per_minute - static) / per_item)


class Sizing:
    """See the module's docstring. `most` is what the settings allow, its tokens those of a whole call.

    `trusted` tells how many messages may share a call before their labels depend on the company (`workers.guarding.trust`).
    """

    def __init__(
        self, most: Limits, cost: TokenCost, allowed: Callable[[], Allowed], trusted: Callable[[], float] = lambda: inf
    ) -> None:
        self._set = self._most = most
        self._cost = cost
        self._allowed = allowed
        self._trusted = trusted
        self._climb = Climb(most.max_items)
        self._bearable = float(most.max_items)
        self._under_limits = most.max_items
        self._room = self._room_now()

    @property
    def most(self) -> Limits:
        """What the settings allow at most."""
        return self._set

    @property
    def static_tokens(self) -> float:
        """What every call costs however many messages share it."""
        return self._cost.static

    def bound(self, most: Limits) -> None:
        """Let batches be no larger than this, and no larger than the settings allow."""
        items, tokens = min(most.max_items, self._set.max_items), min(most.max_tokens, self._set.max_tokens)
        self._most = Limits(items, tokens, most.linger_seconds)
        self._room = self._room_now()

    def limits(self) -> Limits:
        """Return how large a batch may be now; its tokens are those that the messages add."""
        return Limits(self._items(), self._room, self._most.linger_seconds)

    def answered(self, call: Call, seconds: float, *, steady: bool = True) -> None:
        """Learn from a call that was answered in this time; not `steady`, another number of calls at once is being tried."""
        if call.items >= self._items():
            self._bearable = min(self._set.max_items, self._bearable + _COME_BACK)
        self._cost.learn(call)
        self._climb.answered(call.items, seconds, steady=steady)
        room = self._room_now()
        if abs(room - self._room) > _HYSTERESIS * self._room:
            self._room = room

    def too_big(self, items: int) -> None:
        """Learn that a call about so many messages did not fit the model, or its answer not the room for it."""
        self._bearable = min(self._bearable, max(1.0, items / 2))

    def _items(self) -> int:
        allowed = self._allowed()
        if allowed == (None, None) or not self._cost.per_item:
            wanted = self._climb.size
        else:
            wanted = self._steadied(size_under_limits(allowed, self._cost.static, self._cost.per_item))
        return int(max(1, min(wanted, self._bearable, self._trusted(), self._most.max_items)))

    def _steadied(self, wanted: float) -> int:
        """Follow what is wanted only when it has moved by more than its noise."""
        wanted = min(float(self._set.max_items), max(1.0, wanted))
        if abs(wanted - self._under_limits) > max(1.0, _HYSTERESIS * self._under_limits):
            self._under_limits = ceil(wanted)
        return self._under_limits

    def _room_now(self) -> int:
        return max(1, int(self._most.max_tokens - self._cost.static))
