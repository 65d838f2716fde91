"""From what was seen of a run to its figures. Pure.

Rates are taken from the time of an early event to that of the last, so that start-up does not count; CPU time between the
outermost samples inside.
"""

from collections.abc import Sequence
from dataclasses import dataclass

_GAP_SECONDS = 0.5  # between two bursts
_LATEST_SHARE = 0.6
_SHORTEST_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Sample:
    """The subject's processes at a moment: seconds since the epoch, CPU seconds and bytes so far."""

    at: float
    cpu_seconds: float
    rss_bytes: int


@dataclass(frozen=True, slots=True)
class Window:
    """The measured stretch. `count` events lie in (since, till], seconds since the epoch."""

    since: float
    till: float
    count: int

    @property
    def per_second(self) -> float:
        return self.count / (self.till - self.since) if self.till > self.since else 0.0


def steady(times: Sequence[float], skip: float, most_seconds: float | None = None) -> Window | None:
    """Return the window after the first share of the events, to the last or so long; None for too few or too short a time.

    Where events come in bursts, it begins when a burst is over: from within one, its rate would be that of the burst.
    """
    ordered = sorted(times)
    if len(ordered) < 10:
        return None
    since = ordered[_after_burst(ordered, int(len(ordered) * skip))]
    till = ordered[-1] if most_seconds is None else min(ordered[-1], since + most_seconds)
    if till - since < _SHORTEST_SECONDS:
        return None
    return Window(since, till, sum(since < at <= till for at in ordered))


def _after_burst(ordered: Sequence[float], begin: int) -> int:
    """Return the index of the last event of the burst at `begin`, unless that is most of all there is: a steady stream."""
    latest = int(len(ordered) * _LATEST_SHARE)
    gaps = (place for place in range(begin, latest) if ordered[place + 1] - ordered[place] > _GAP_SECONDS)
    return next(gaps, begin)


def per_cpu_second(times: Sequence[float], samples: Sequence[Sample], window: Window) -> float | None:
    """Return events per CPU second between the outermost samples inside the window; None with fewer than two of them."""
    inside = [sample for sample in samples if window.since <= sample.at <= window.till]
    if len(inside) < 2:  # it takes two to measure between
        return None
    first, last = inside[0], inside[-1]
    used = last.cpu_seconds - first.cpu_seconds
    return sum(first.at < at <= last.at for at in times) / used if used > 0 else None


def ceiling(calls_per_second: Sequence[float], batch: int) -> float:
    """Return R*: messages a second when every call is full and the tightest of the limits binds."""
    return min(calls_per_second) * batch


def quantile(values: Sequence[float], q: float) -> float:
    """Return the nearest-rank quantile of one value or more."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))]
