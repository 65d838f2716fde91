"""The trial: asks a route at each point of the plan, with the worker's own question, client and reader."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice

from schemas.message import Message
from workers.asking.model import Answer, Barred, TryAgain, Usage
from workers.asking.route import Route
from workers.judging.answers import AnswerReader
from workers.judging.reading import Read
from workers.measuring.plan import Measure, Point, best, climb, goes_on, sizes

_PAUSE_SECONDS = 0.2  # after a failed call that names no time
_MOST_PAUSE_SECONDS = 5.0


class RouteBarredError(Exception):
    """The account or the set-up is at fault; the message is the provider's reason."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A route, how its answers are read, and messages without end; `clock` is in seconds.

    Every point goes on where the one before stopped: an endpoint that remembers prompts or texts would answer the same ones
    faster than it ever will in use.
    """

    route: Route
    reader: AnswerReader
    messages: Iterator[Message]
    clock: Callable[[], float]


@dataclass(slots=True)
class _Tally:
    asked: int = 0
    read: int = 0
    failed: int = 0
    tokens_in: int = 0
    tokens_cached: int = 0
    tokens_out: int = 0
    latencies: list[float] = field(default_factory=list)
    trouble: str | None = None
    barred: str | None = None

    def count(self, usage: Usage) -> None:
        self.tokens_in += usage.input
        self.tokens_cached += usage.cached
        self.tokens_out += usage.output


async def run(
    trial: Trial, most_items: int, most_concurrency: int, report: Callable[[Measure], None]
) -> tuple[list[Measure], Measure]:
    """Return all measures and the best one; `report` is told each. Raises RouteBarredError when nobody will be answered."""
    found: list[Measure] = []

    async def take(point: Point) -> Measure:
        measure = await measure_point(trial, point)
        report(measure)
        found.append(measure)
        return measure

    batch = best([await take(point) for point in sizes(most_items, most_concurrency)]).point.batch
    rising: list[Measure] = []
    for point in climb(batch, most_concurrency):
        if not goes_on(rising):
            break
        known = next((measure for measure in found if measure.point == point), None)
        rising.append(known or await take(point))
    return found, best(rising)


async def measure_point(trial: Trial, point: Point) -> Measure:
    """Ask `point.calls` questions, so many at once, and return what came back. Raises RouteBarredError.

    A failed call is not made again: its caller waits as long as it is told and goes on with the next.
    """
    batches = iter([list(islice(trial.messages, point.batch)) for _ in range(point.calls)])
    tally = _Tally()
    began = trial.clock()
    async with asyncio.TaskGroup() as callers:
        for _ in range(point.concurrency):
            callers.create_task(_caller(trial, batches, tally))
    if tally.barred is not None:
        raise RouteBarredError(tally.barred)
    return Measure(
        point=point,
        seconds=trial.clock() - began,
        asked=tally.asked,
        read=tally.read,
        failed_calls=tally.failed,
        tokens_in=tally.tokens_in,
        tokens_cached=tally.tokens_cached,
        tokens_out=tally.tokens_out,
        latencies=tuple(tally.latencies),
        trouble=tally.trouble,
    )


async def _caller(trial: Trial, batches: Iterator[list[Message]], tally: _Tally) -> None:
    for batch in batches:
        question = trial.route.question(batch)
        began = trial.clock()
        result = await trial.route.ask(question)
        tally.asked += len(batch)
        if isinstance(result, Barred):
            tally.barred = result.why
            return
        if not isinstance(result, Answer):
            tally.failed += 1
            tally.trouble = result.why
            if isinstance(result, TryAgain):
                await asyncio.sleep(min(result.after_seconds or _PAUSE_SECONDS, _MOST_PAUSE_SECONDS))
            continue
        tally.latencies.append(trial.clock() - began)
        tally.count(result.usage)
        readings = trial.reader.read(result, question.refs)
        tally.read += sum(isinstance(reading, Read) for reading in readings)
