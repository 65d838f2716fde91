"""Which calls are tried and which setting is best. Pure.

First the batch size at a modest concurrency, then the concurrency with the best batch size. Throughput rises with both
until the endpoint's limit or its hardware binds; beyond it only waiting grows (Little's law), so the smallest setting
within 5 % of the best is the best one.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_NEARLY = 0.95
_WORTH = 1.1  # what a doubled concurrency must bring to be doubled again
_TOLERATED_FAILURES = 0.01
CALLS_EACH = 3  # of every caller at a point
MODEST_CONCURRENCY = 4


@dataclass(frozen=True, slots=True)
class Point:
    """So many messages in a call, so many calls at once."""

    batch: int
    concurrency: int

    @property
    def calls(self) -> int:
        return CALLS_EACH * self.concurrency


@dataclass(frozen=True, slots=True)
class Measure:
    """What came back at a point. `read` messages had a usable answer; `latencies` are seconds of the answered calls."""

    point: Point
    seconds: float
    asked: int
    read: int
    failed_calls: int
    tokens_in: int
    tokens_cached: int
    tokens_out: int
    latencies: tuple[float, ...]
    trouble: str | None = None

    @property
    def per_second(self) -> float:
        """Messages with a usable answer, per second."""
        return self.read / self.seconds if self.seconds > 0 else 0.0

    @property
    def tokens_per_message(self) -> float | None:
        """Tokens in and out for each message that was read; None where the endpoint counts none."""
        tokens = self.tokens_in + self.tokens_out
        return tokens / self.read if tokens and self.read else None

    @property
    def sound(self) -> bool:
        """Whether the endpoint took the calls: hardly any failed."""
        return self.failed_calls <= _TOLERATED_FAILURES * self.point.calls

    def latency(self, share: float) -> float | None:
        """Return the nearest-rank quantile of the latencies, or None without any."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else None


def doubling(most: int) -> Iterator[int]:
    """Give 1, 2, 4 and so on up to `most`, which is the last."""
    number = 1
    while number < most:
        yield number
        number *= 2
    yield most


def sizes(most_items: int, most_concurrency: int) -> tuple[Point, ...]:
    """Return the points that tell the batch size."""
    return tuple(Point(batch, min(MODEST_CONCURRENCY, most_concurrency)) for batch in doubling(most_items))


def climb(batch: int, most_concurrency: int) -> tuple[Point, ...]:
    """Return the points that tell the concurrency, to be tried until `goes_on` says no."""
    return tuple(Point(batch, concurrency) for concurrency in doubling(most_concurrency))


def goes_on(measures: Sequence[Measure]) -> bool:
    """Tell whether a higher concurrency is worth a try: the last one was taken well and brought something."""
    if not measures or not measures[-1].sound:
        return not measures
    return len(measures) < 2 or measures[-1].per_second > _WORTH * measures[-2].per_second  # noqa: PLR2004  # nothing to compare


def best(measures: Sequence[Measure]) -> Measure:
    """Return the smallest setting among those within 5 % of the highest throughput; sound ones first, if there are any."""
    usable = [measure for measure in measures if measure.sound] or list(measures)
    highest = max(measure.per_second for measure in usable)
    near = [measure for measure in usable if measure.per_second >= _NEARLY * highest]
    return min(near, key=lambda measure: (measure.point.batch * measure.point.concurrency, measure.point.batch))


def most_calls(most_items: int, most_concurrency: int) -> tuple[int, int]:
    """Return how many calls and messages all points together need at most."""
    first = sizes(most_items, most_concurrency)
    second = climb(most_items, most_concurrency)
    points = (*first, *second)
    return sum(point.calls for point in points), sum(point.calls * point.batch for point in points)
