"""The quota: the account's limits as they are known now, and the pace at which they may be used. Pure; time is an argument.

Limits come from the settings (or an operator's budget in their place) or from the provider's headers; a header may lower what
the settings say, never raise it. Five things slow the pace down below the limits:

- *A refusal.* The pace falls by a tenth, once a second at most, and comes back by one percent of the limit each second; after
  a `slow_down` by a third, and back as slowly as the provider lets a load grow.
- *A low account.* When the headers show that less than a fifth of the minute is left, somebody else uses the account too, or
  the provider counts more than we do. The pace then falls with what is left, so that refusals do not have to teach it.
- *A fleet* (`workers.limiting.loan`): of limits that other workers of the group use too, this one takes its part.
- *A budget*: the part of the limits that an operator wants used.
- *A ramp* (`workers.limiting.ramp`), where the provider has one.
"""

from dataclasses import dataclass

from workers.allowance import Allowance, Allowances
from workers.limiting.loan import Loan, Part
from workers.limiting.ramp import Ramp

_FALL, _RISE_PER_SECOND = 0.9, 0.01
_SLOW_FALL, _SLOW_RISE_PER_SECOND = 0.7, 0.5 / 900
_LEAST_PACE = 0.05
_LOW = 0.2
_MINUTE = 60.0


@dataclass(frozen=True, slots=True)
class Known:
    """Limits of an account and model, per minute; None is none, or not known."""

    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None


@dataclass(frozen=True, slots=True)
class Left:
    """Unused shares of the limits, in [0, 1], as the provider last told them; None is not known."""

    requests: float | None = None
    tokens: float | None = None


_UNKNOWN = Known()


class Quota:
    """See the module's docstring. `ramp` None is a provider without it; not `shared`, limits are this worker's alone."""

    def __init__(self, configured: Known, ramp: Ramp | None, *, shared: bool = True) -> None:
        self._settings = self._configured = configured
        self._part = 1.0
        self._ramp = ramp
        self._requests, self._tokens = _Dimension(), _Dimension()
        self._loan = Loan()
        self._shared = shared
        self._pace, self._paced_at, self._rise = 1.0, 0.0, _RISE_PER_SECOND

    def budget(self, wanted: Known, part: float) -> None:
        """Take these limits for those of the settings, where they are not None, and use only this part of all, in (0, 1]."""
        self._configured = Known(
            wanted.requests_per_minute or self._settings.requests_per_minute,
            wanted.tokens_per_minute or self._settings.tokens_per_minute,
        )
        self._part = part

    def known(self) -> Known:
        """Return the limits of the whole account."""
        return Known(
            _least(self._configured.requests_per_minute, self._requests.per_minute),
            _least(self._configured.tokens_per_minute, self._tokens.per_minute),
        )

    def left(self) -> Left:
        """Return what the headers say is left."""
        return Left(self._requests.left, self._tokens.left)

    def rates(self, now: float) -> Known:
        """Return what may be used per minute from now on."""
        known = self.known()
        if known == _UNKNOWN and self._ramp is None:
            return known
        self._loan.old(now)
        pace = self._pace_at(now) * self._loan.part.whole * self._part
        tokens = _times(known.tokens_per_minute, pace * self._tokens.lean(now))
        if self._ramp is not None:
            tokens = _least(tokens, self._ramp.most_per_minute(now))
        return Known(_times(known.requests_per_minute, pace * self._requests.lean(now)), tokens)

    def told(self, allowances: Allowances, now: float) -> None:
        """Take in what came with an answer."""
        self._requests.told(allowances.requests, now)
        self._tokens.told(allowances.tokens, now)
        told = [left for left in (allowances.requests.left, allowances.tokens.left) if left is not None]
        self._loan.told(min(told, default=None), now)

    def share(self, share: float) -> None:
        """Use only this share of the limits, in (0, 1], and what the account has to spare."""
        if self._shared:
            self._loan.share(share)

    @property
    def part(self) -> Part:
        return self._loan.part

    def held(self, now: float) -> None:
        """Note that calls wait for the limits."""
        self._loan.held(now)

    def used(self, tokens: float, now: float) -> None:
        if self._ramp is not None:
            self._ramp.used(tokens, now)

    def refused(self, *, slow_down: bool, now: float) -> None:
        """Slow down; `slow_down` says that the load grew too fast."""
        if self._loan.refused(now) and not slow_down:
            return
        pace = self._pace_at(now)
        if pace == 1.0:
            self._rise = _RISE_PER_SECOND
        elif now - self._paced_at < 1.0:
            return  # refusals of one second are one event
        self._pace, self._paced_at = max(_LEAST_PACE, pace * (_SLOW_FALL if slow_down else _FALL)), now
        if slow_down:
            self._rise = _SLOW_RISE_PER_SECOND

    def _pace_at(self, now: float) -> float:
        return min(1.0, self._pace + (now - self._paced_at) * self._rise)


class _Dimension:
    """What the headers have told of requests or of tokens."""

    def __init__(self) -> None:
        self.per_minute: float | None = None
        self._last = Allowance()
        self._at = 0.0

    def told(self, allowance: Allowance, now: float) -> None:
        if allowance == Allowance():
            return
        self._last, self._at = allowance, now
        if allowance.limit is not None:  # what is left may be told alone: the limit is as it was
            self.per_minute = allowance.per_minute

    @property
    def left(self) -> float | None:
        return self._last.left

    def lean(self, now: float) -> float:
        """Return the share of the limit that what is left allows: 1 unless the account is low.

        In a fixed window what is left falls by itself; there the even pace is what is left over the time until the reset.
        """
        left, reset = self._last.left, self._last.reset_seconds
        if left is None or (self._last.window_seconds or _MINUTE) < _MINUTE:
            return 1.0
        even = left * _MINUTE / reset if reset else 0.0
        refilled = (now - self._at) / _MINUTE
        return min(1.0, max(_LEAST_PACE, left / _LOW, even) + refilled)


def _least(one: float | None, other: float | None) -> float | None:
    return min(one, other) if one is not None and other is not None else one if one is not None else other


def _times(limit: float | None, factor: float) -> float | None:
    return None if limit is None else limit * factor
