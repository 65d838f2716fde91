"""How many calls at once: as many as still raise the rate at which tokens are worked through. Pure; time is an argument.

Latency alone cannot tell: a server that batches answers each call more slowly and all of them sooner, and one that was
crowded from the start never shows how fast it is alone. So the rate is measured, as BBR does (Cardwell et al., ACM Queue 14(5),
2016): grow by half while that pays, then hold, and at times try a little more and a little less. More is kept if it is
faster, less if nothing is lost against the best rate seen; a local server is so asked at its knee, where a longer
queue would only add latency. Refusals without a known limit, and faults in a tenth of the calls, cut the number by three tenths
at once and let it grow anew.

Rates are compared only over spans in which this number was what held calls back: it was nearly reached within the last so many
answers. How many are under way when one ends does not tell, since answers come in bursts. A trial in vain costs throughput, so
it ends as soon as it is clearly worse, and the pause after it keeps what trials cost below a hundredth.
"""

from dataclasses import dataclass
from enum import Enum, auto
from math import ceil

_START = 16
_GROW, _MORE, _LESS, _CUT = 1.5, 1.25, 0.75, 0.7
_WORTH = 0.25  # growing by half must bring an eighth
_FASTER, _AS_FAST = 1.04, 0.98
_FADE = 0.99  # of the best rate, with each trial
_SPAN = 16
_NEARLY = 0.75
_SOON_SECONDS = 0.05  # a call as quick as this waits in no queue worth shortening, which is all that fewer are for
_FIRST_PAUSE, _LONGEST_PAUSE = 4, 64  # spans between two trials in a direction
_CLEARLY_WORSE, _MOST_LOST = 0.85, 0.01  # of the rate held; share of the calls
_IN_PROPORTION = 0.75  # of what growing could bring: nothing queues at the server
_MEMORY, _TOO_FAULTY = 20, 0.1  # calls; share


class _Phase(Enum):
    GROW = auto()
    HOLD = auto()
    TRY = auto()


@dataclass(slots=True)
class _Span:
    """Calls that end while the number does not change; the first ones were started under another number."""

    skip: int
    began: float | None = None
    calls: int = 0
    tokens: int = 0


@dataclass(slots=True)
class _Trials:
    """When to try again in one direction: soon after a trial that paid, ever more seldom after those that did not."""

    pause: int
    left: int = 0

    def __post_init__(self) -> None:
        self.left = self.pause

    def judged(self, *, kept: bool, lost_spans: float) -> None:
        """Plan the next trial, after one that cost so much."""
        longer = max(_FIRST_PAUSE, self.pause * 2, ceil(lost_spans / _MOST_LOST))
        self.pause = 2 if kept else min(_LONGEST_PAUSE, longer)
        self.left = self.pause


class Concurrency:
    """A number between 1 and `most`. `most` stays the number where `adaptive` is False."""

    def __init__(self, most: int, *, adaptive: bool = True) -> None:
        self._most = most
        self._adaptive = adaptive
        self.limit = min(_START, most) if adaptive else most
        self._phase = _Phase.GROW
        self._before: tuple[int, float] | None = None  # a smaller number and its rate (growing), the one held (trying)
        self._best = 0.0  # mean rate of a number that was held
        self._held: list[float] = []
        self._more, self._less = _Trials(_FIRST_PAUSE), _Trials(_FIRST_PAUSE)
        self._faulty = 0.0
        self._cut_at = 0
        self._span = _Span(skip=0)
        self._call_seconds = 0.0
        self._since_full = 0  # answers since the number was nearly reached

    @property
    def steady(self) -> bool:
        """Whether no other number is tried just now: what else depends on it may be compared."""
        return not self._adaptive or self._phase is _Phase.HOLD

    def started(self, in_flight: int) -> None:
        """Note how many calls are under way, one that starts now included."""
        if in_flight >= _NEARLY * self.limit:
            self._since_full = 0

    def ended(self, tokens: int, now: float) -> None:
        """Note an answer."""
        self._faulty -= self._faulty / _MEMORY
        if not self._adaptive:
            return
        self._since_full += 1
        if self._since_full > self.limit:
            self.held_otherwise()
            return
        span = self._span
        if span.skip > 0:
            span.skip -= 1
            span.began = now
            return
        if span.began is None:
            span.began = now
            return
        span.calls += 1
        span.tokens += tokens
        if span.calls % self._least_calls() == 0 and now > span.began:
            self._call_seconds = self.limit * (now - span.began) / span.calls  # by Little's law
            self._decide(span.tokens / (now - span.began))

    def held_otherwise(self) -> None:
        """Begin a new span: something else held calls back, or there were too few."""
        self._span = _Span(skip=0)

    def failed(self, call: int, latest: int) -> None:
        """Note a fault of the provider. One is chance; a tenth of the last calls is a load that it cannot bear."""
        self._faulty += (1.0 - self._faulty) / _MEMORY
        if self._faulty > _TOO_FAULTY:
            self.refused(call, latest)

    def refused(self, call: int, latest: int) -> None:
        """Cut the number; once for all calls up to `latest`, which were started before."""
        if not self._adaptive or call <= self._cut_at:
            return
        self._cut_at, self._faulty = latest, _TOO_FAULTY / 2
        self._before, self._best, self._phase = None, 0.0, _Phase.GROW
        self._set(int(self.limit * _CUT))

    def _decide(self, rate: float) -> None:
        match self._phase:
            case _Phase.GROW:
                self._grow(rate)
            case _Phase.HOLD:
                self._hold(rate)
            case _Phase.TRY:
                self._judge(rate)

    def _grow(self, rate: float) -> None:
        if self._before is not None:
            limit, slower = self._before
            if rate < slower * (1 + _WORTH * (self.limit / limit - 1)):
                self._settle(limit, less_after=1)
                return
        if self.limit == self._most:
            self._settle(self.limit, less_after=_LONGEST_PAUSE if self._grew_in_proportion(rate) else 1)
            return
        self._before = (self.limit, rate)
        self._set(max(self.limit + 1, int(self.limit * _GROW)))

    def _grew_in_proportion(self, rate: float) -> bool:
        if self._before is None:
            return False
        limit, slower = self._before
        return rate >= slower * (1 + _IN_PROPORTION * (self.limit / limit - 1))

    def _settle(self, limit: int, less_after: int) -> None:
        """Hold a number beyond which growing did not pay, or may not go: fewer may do as well."""
        self._phase, self._held = _Phase.HOLD, []
        self._more, self._less = _Trials(_FIRST_PAUSE), _Trials(less_after)
        self._set(limit)

    def _hold(self, rate: float) -> None:
        self._held.append(rate)
        self._span = _Span(skip=0)
        self._more.left, self._less.left = self._more.left - 1, self._less.left - 1
        upward = self._more.left <= 0 and self.limit < self._most
        if not upward and (self._less.left > 0 or self.limit == 1 or self._call_seconds < _SOON_SECONDS):
            return
        mean = sum(self._held) / len(self._held)
        self._best = max(self._best * _FADE, mean)
        self._before, self._phase = (self.limit, mean), _Phase.TRY
        more, less = max(self.limit + 1, int(self.limit * _MORE)), min(self.limit - 1, int(self.limit * _LESS))
        self._set(more if upward else less)

    def _judge(self, rate: float) -> None:
        if self._before is None:
            raise RuntimeError("a trial has something to be compared with")
        limit, held = self._before
        upward, calls, span = self.limit > limit, self._span.calls, self._least_calls()
        if calls < 2 * span and rate >= held * _CLEARLY_WORSE:
            return  # a closer look
        kept = rate >= held * _FASTER if upward else rate >= max(held, self._best) * _AS_FAST
        lost = max(0.0, held / max(rate, 1e-6) - 1.0) * (self.limit + calls) / span
        (self._more if upward else self._less).judged(kept=kept, lost_spans=lost)
        self._phase, self._held = _Phase.HOLD, []
        self._set(self.limit if kept else limit)

    def _set(self, limit: int) -> None:
        self.limit = max(1, min(self._most, limit))
        self._span, self._since_full = _Span(skip=self.limit), 0

    def _least_calls(self) -> int:
        """Return over how many calls a rate is measured at least; growing by half shows sooner than a trial."""
        return max(_SPAN // 2 if self._phase is _Phase.GROW else _SPAN, 2 * self.limit)
