"""The pipeline: a message's way from a topic to a topic, top to bottom.

    Record -> Message -> Batch -> Question -> Answer -> Reading -> Verdict -> Event -> Position

`_poll` is the left half, `workers.labelling` the right; the window between them (`workers.batching`) is the only queue,
and it is bounded: when it is full the source has no room, and nothing is pulled. The poll loop waits for no model, so an
outage of the model costs neither the group membership nor a record. Stages return facts; only here and there do they become
metrics and log lines, through `workers.watch`.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence

from schemas.message import Message
from schemas.verdict import Rejected
from topics.codec import Undecodable
from topics.record import Record
from topics.source import Source
from workers.batching.window import Batch
from workers.clocks import Clocks
from workers.guard import Guard
from workers.labelling import Labelling
from workers.line import Entry, Line
from workers.recalling import Recall
from workers.settling import Settling
from workers.watch import Watch

_OLDEST_SECONDS = 60.0


def age_seconds(record: Record, now: float) -> float:
    """Return for how long a record counts as waiting when it is received, at `now` seconds since the epoch.

    Bounded, so that neither a clock that is wrong nor a backlog of last week keeps the others of its flow waiting.
    """
    return min(_OLDEST_SECONDS, max(0.0, now - record.timestamp_ms / 1000))


class Pipeline:
    """Joins one source with the lines of its tasks, by topic."""

    def __init__(self, source: Source, lines: Mapping[str, Line], watch: Watch, clocks: Clocks) -> None:
        self._source = source
        self._lines = lines
        self._watch = watch
        self._clocks = clocks
        self._done = asyncio.Event()
        self._settling = Settling(source, watch, clocks)
        self._labelling = Labelling(self._settling, watch, clocks)
        self._turned: asyncio.Event | None = None  # set when the next poll begins; None while nothing polls
        self.last_poll = clocks.monotonic()

    async def run(self, stop: asyncio.Event, stop_seconds: float) -> None:
        """Work until `stop` is set, then finish what was received within `stop_seconds`; the rest is another's to ask.

        Raises whatever ends a task unexpectedly, after the others were stopped.
        """
        await self._source.start(self._lines.keys())
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._consume())
                following = [group.create_task(r.follow(self._owned)) for r in self._recalls()]
                labelling = [group.create_task(self._dispatch(line)) for line in self._lines.values()]
                guarding = [group.create_task(Guard(line, self._watch).run()) for line in self._lines.values()]
                await _either(stop, labelling)
                for task in guarding:
                    task.cancel()
                self._source.stop_receiving()
                for line, task in zip(self._lines.values(), labelling, strict=True):
                    line.feeder.drain()
                    if line.gate.why is not None:
                        task.cancel()  # no answer will come: the next owner asks again
                _, late = await asyncio.wait(labelling, timeout=stop_seconds)
                for task in late:
                    task.cancel()
                for task in following:
                    task.cancel()
                self._done.set()
        finally:
            await self._source.stop()

    async def polled(self) -> None:
        """Return when the poll under way has ended: it may still bring records of a line that is held by now."""
        if self._turned is not None:
            await self._turned.wait()

    def _turn(self, then: asyncio.Event | None) -> None:
        if self._turned is not None:
            self._turned.set()
        self._turned = then

    async def _consume(self) -> None:
        """Poll until done."""
        try:
            while not self._done.is_set():
                self._turn(asyncio.Event())
                await self._poll()
                await asyncio.sleep(0)  # a full poll must not keep the answers waiting
        finally:
            self._turn(None)

    async def _poll(self) -> None:
        """Record -> Message -> the window; what is no message is rejected at once. Never cancelled, never waits for a model."""
        self.last_poll = self._clocks.monotonic()
        self._settling.drop_lost(self._lines)
        room = {topic: line.room for topic, line in self._lines.items()}
        arrivals = await self._source.pull(room, self._clocks.poll_seconds)
        now = self._clocks.wall()
        for topic, count in Counter(arrival.record.partition.topic for arrival in arrivals).items():
            self._watch.received(self._lines[topic].task.name, count)
        for arrival in arrivals:
            line = self._lines[arrival.record.partition.topic]
            match line.codec.decode(arrival.record):
                case Message() as message:
                    entry = line.hears(Entry(message, arrival.record, arrival.receipt))
                    self._settling.waits(entry)
                    tokens = line.calls.cost.share(entry.message.words)
                    line.feeder.add(entry, tokens, age_seconds(arrival.record, now))
                case Undecodable(refusal=refusal, detail=detail):
                    self._settling.reject(line, arrival, Rejected(refusal, detail), attempts=0)
        self._settling.give_up_stragglers(self._lines)
        share = self._source.share()
        for line in self._lines.values():
            line.calls.limiter.share(share)
        self._watch.polled(self._lines, self._source.standings())

    def _recalls(self) -> list[Recall]:
        return [line.recall for line in self._lines.values() if line.recall is not None]

    def _owned(self, topic: str) -> frozenset[int]:
        """Return the partitions of the topic that are ours now."""
        return frozenset(p.number for p in self._source.standings() if p.topic == topic)

    async def _dispatch(self, line: Line) -> None:
        """The window -> Batch, as calls may start. Ends once drained and answered."""
        async with asyncio.TaskGroup() as calls:
            while (batch := await self._next(line)) is not None:
                permit = line.calls.start(batch.load, batch.held_seconds)
                self._watch.batch(line.task.name, batch)
                calls.create_task(self._labelling.label(line, batch, permit))

    async def _next(self, line: Line) -> Batch[Entry] | None:
        await line.gate.opened.wait()
        return await line.feeder.next()


async def _either(stop: asyncio.Event, tasks: Sequence["asyncio.Task[None]"]) -> None:
    waiting = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait([waiting, *tasks], return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
