"""The pipeline: a message's way from a topic to a topic, top to bottom.

    Record -> Message -> Batch -> Question -> Answer -> Reading -> Verdict -> Event -> Position

`_consume` is the left half, `_label` the right; the window between them (`workers.batching`) is the only queue, and it is
bounded: when it is full the source has no room, and nothing is pulled. The poll loop waits for no model, so an outage of the
model costs neither the group membership nor a record. Stages return facts; only here do they become metrics and log lines,
through `workers.watch`.

Every record pulled is settled once, by exactly one event: a rejected one at once, an answered one when its verdict is
known. A record whose partition is revoked meanwhile is settled by nobody here, because its next owner reads it again.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import assert_never

from schemas.message import Message
from schemas.verdict import Doubt, Escalated, FieldResult, Reason, Refusal, Rejected, Verdict
from topics.codec import Undecodable
from topics.record import Outgoing, Receipt, Record
from topics.source import Arrival, Source
from workers.asking.model import Answer, Barred, Broken, Fault, Question, Refused, TooBig, TryAgain
from workers.asking.retry import GiveUp, Halve, Stop, Wait, after_fault, after_reading, halves
from workers.batching.tokens import Call
from workers.batching.window import Batch
from workers.judging.reading import Unread
from workers.judging.repair import Again, settle
from workers.line import Entry, Kept, Line, Part
from workers.routing import AnsweredBy
from workers.watch import Watch

_OLDEST_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Clocks:
    """Time and chance, handed in. `probe_seconds` is the pause between two looks at a model that barred us."""

    monotonic: Callable[[], float]
    wall: Callable[[], float]
    jitter: Callable[[], float]
    poll_seconds: float = 0.2
    probe_seconds: float = 30.0


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
        self._waiting: dict[Receipt, Entry] = {}  # messages without a verdict; bounded by the windows of the lanes
        self.last_poll = clocks.monotonic()

    async def run(self, stop: asyncio.Event, stop_seconds: float) -> None:
        """Work until `stop` is set, then finish what was received within `stop_seconds`; the rest is another's to ask.

        Raises whatever ends a task unexpectedly, after the others were stopped.
        """
        await self._source.start(self._lines.keys())
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._consume())
                labelling = [group.create_task(self._dispatch(line)) for line in self._lines.values()]
                await _either(stop, labelling)
                self._source.stop_receiving()
                for line, task in zip(self._lines.values(), labelling, strict=True):
                    line.feeder.drain()
                    if line.gate.why is not None:
                        task.cancel()  # no answer will come: the next owner asks again
                _, late = await asyncio.wait(labelling, timeout=stop_seconds)
                for task in late:
                    task.cancel()
                self._done.set()
        finally:
            await self._source.stop()

    async def _consume(self) -> None:
        """Record -> Message -> the window; what is no message is rejected at once. Never cancelled, never waits for a model."""
        while not self._done.is_set():
            self.last_poll = self._clocks.monotonic()
            room = {topic: line.feeder.room if line.gate.why is None else 0 for topic, line in self._lines.items()}
            arrivals = await self._source.pull(room, self._clocks.poll_seconds)
            now = self._clocks.wall()
            for arrival in arrivals:
                line = self._lines[arrival.record.partition.topic]
                self._watch.received(line.task.name)
                match line.codec.decode(arrival.record):
                    case Message() as message:
                        entry = self._waiting[arrival.receipt] = Entry(message, arrival.record, arrival.receipt)
                        line.feeder.add(entry, line.calls.cost.share(message.text), age_seconds(arrival.record, now))
                    case Undecodable(refusal=refusal, detail=detail):
                        self._reject(line, arrival, Rejected(refusal, detail), attempts=0)
            self._give_up_stragglers()
            share = self._source.share()
            for line in self._lines.values():
                line.calls.limiter.share(share)
            self._watch.polled(self._lines, self._source.standings())
            await asyncio.sleep(0)  # a full poll must not keep the answers waiting

    async def _dispatch(self, line: Line) -> None:
        """The window -> Batch, as slots free up. Ends once drained and answered."""
        async with asyncio.TaskGroup() as calls:
            while (batch := await self._next(line)) is not None:
                self._watch.batch(line.task.name, batch)
                calls.create_task(self._label(line, batch))

    async def _next(self, line: Line) -> Batch[Entry] | None:
        await line.gate.opened.wait()
        return await line.feeder.next()

    async def _label(self, line: Line, batch: Batch[Entry]) -> None:
        """Batch -> Question -> Answer -> Reading -> Verdict -> Event, and again for what an answer left unread."""
        try:
            parts = [Part(batch.items)]
            while parts:
                await _past_gate(line)
                part = self._still_owed(parts.pop())
                if not part.entries:
                    continue
                permit = await line.calls.permit([entry.message for entry in part.entries], again=part.faults > 0)
                self._watch.admitted(line.task.name, permit.waited_seconds)
                part = self._still_owed(part)  # the wait may have been long
                if not part.entries:
                    permit.unused()
                    continue
                question = line.route.question([e.message for e in part.entries], [e.wrong for e in part.entries])
                asked = await permit.ask(question)
                result = asked.result
                self._watch.call(line.task.name, asked)
                _learn_size(line, question, result, asked.seconds)
                if isinstance(result, Answer):
                    parts += self._settle(line, part, question.refs, result)
                else:
                    parts += await self._endure(line, part, result)
        finally:
            line.feeder.slot_freed()
            self._watch.batch_ended()

    def _still_owed(self, part: Part) -> Part:
        """Leave out entries of partitions that were taken away meanwhile: their new owner asks for itself."""
        entries = []
        for entry in part.entries:
            if self._source.owes(entry.receipt):
                entries.append(entry)
            else:
                self._waiting.pop(entry.receipt, None)
        return replace(part, entries=entries)

    def _settle(self, line: Line, part: Part, refs: Sequence[str], answer: Answer) -> list[Part]:
        """Publish a verdict for every entry the answer can be read for; return the parts to ask again."""
        readings = line.reader.read(answer, refs)
        backend = line.route.backend
        by = AnsweredBy(answer.model, backend.prompt_hash, backend.schema_hash, answer.request_id, len(part.entries))
        tries = part.tries + 1
        unread: list[Entry] = []
        for entry, reading in zip(part.entries, readings, strict=True):
            place = 0 if isinstance(reading, Unread) else reading.place
            repair = line.repair and part.tries == 0
            match settle(line.judge, entry.message.text, reading, answer.model, repair=repair):
                case Again(why=why, wrong=wrong, best=best):
                    kept = entry.kept
                    if best is not None:
                        event = line.router.answered(best, entry.record, entry.message, by, place=place, attempts=tries)
                        kept = Kept(best, event)
                    self._watch.unread(line.task.name, why)
                    unread.append(entry._replace(wrong=wrong, kept=kept))
                case verdict:
                    event = line.router.answered(verdict, entry.record, entry.message, by, place=place, attempts=tries)
                    self._publish(line, entry, verdict, event)
                    line.brake.answered(entry.receipt.partition)
        again = after_reading(unread, asked=len(part.entries), tries=part.tries)
        if not again:
            rejected = Rejected(Refusal.NO_VALID_ANSWER, f"no valid answer in {tries} calls")
            for entry in unread:
                self._give_up(line, entry, rejected, attempts=tries)
        return [Part(entries, tries) for entries in again]

    async def _endure(self, line: Line, part: Part, fault: Fault) -> list[Part]:
        """Do what the fault asks for: wait, ask less at once, give one message up, or stop until an operator acts."""
        faults = part.faults + 1
        match after_fault(fault, len(part.entries), faults, self._clocks.jitter(), line.patience):
            case Wait(seconds=seconds):
                await asyncio.sleep(seconds)
                return [Part(part.entries, part.tries, faults if seconds else part.faults)]
            case Halve():
                return [Part(half, part.tries + 1) for half in halves(part.entries)]
            case GiveUp(refusal=refusal, detail=detail):
                self._give_up(line, part.entries[0], Rejected(refusal, detail), attempts=part.tries + 1)
                return []
            case Stop(why=why):
                await self._barred(line, why)
                return [Part(part.entries, part.tries)]
            case unsaid:
                assert_never(unsaid)

    async def _barred(self, line: Line, why: str) -> None:
        """Close the line's gate and say so once; look again with a harmless question until it is answered."""
        if not line.gate.close(why):
            return
        self._watch.barred(line.task.name, why)
        while True:
            await asyncio.sleep(self._clocks.probe_seconds)
            if isinstance(await line.route.probe(), Answer):
                break
        line.gate.open()
        self._watch.unbarred(line.task.name)

    def _give_up_stragglers(self) -> None:
        """Escalate a message that alone holds thousands of others up; its answer, should it come, settles nothing."""
        for receipt in self._source.stragglers():
            entry = self._waiting.get(receipt)
            if entry is None:
                continue
            line = self._lines[receipt.partition.topic]
            unknown = {name: FieldResult(None) for name in line.task.fields}
            verdict = Escalated(unknown, (Reason(Doubt.UNANSWERED, None),))
            event = line.router.answered(verdict, entry.record, entry.message, _asked(line), place=0, attempts=1)
            self._publish(line, entry, verdict, event)

    def _give_up(self, line: Line, entry: Entry, rejected: Rejected, *, attempts: int) -> None:
        """Escalate with the last answer that could be read, however imperfect; reject what never had one."""
        if entry.kept is None:
            self._reject(line, entry, rejected, attempts=attempts)
            return
        self._publish(line, entry, entry.kept.verdict, entry.kept.event)
        line.brake.answered(entry.receipt.partition)

    def _reject(self, line: Line, owed: Arrival | Entry, rejected: Rejected, *, attempts: int) -> None:
        why = line.brake.dead(owed.receipt.partition)
        if why is not None:  # not published: it stays owed, and is read again once somebody has acted
            if line.gate.close(why):
                self._watch.barred(line.task.name, why)
            return
        by = _asked(line) if attempts else None
        self._publish(line, owed, rejected, line.router.dead(rejected, owed.record, attempts=attempts, by=by))

    def _publish(self, line: Line, owed: Arrival | Entry, verdict: Verdict, event: Outgoing) -> None:
        """Event -> the partition's lane, which publishes it with the Position, in one transaction."""
        self._waiting.pop(owed.receipt, None)
        if self._source.settle(owed.receipt, [event]):
            self._watch.verdict(line.task.name, verdict, owed.record, self._clocks.wall())


def _learn_size(line: Line, question: Question, result: Answer | Fault, seconds: float) -> None:
    """Let the next batches be as large as such calls have shown to be good."""
    items = len(question.refs)
    match result:
        case Answer(cut=False, usage=usage):
            line.sizing.answered(Call(question.size, items, usage.input, usage.output), seconds)
        case Answer() | TooBig():
            line.sizing.too_big(items)
        case TryAgain() | Refused() | Broken() | Barred():
            return
        case _:
            assert_never(result)
    line.feeder.resize(line.sizing.limits())


async def _past_gate(line: Line) -> None:
    """Wait while the gate is closed, without a slot: another task that shares the model may be free to ask."""
    if line.gate.opened.is_set():
        return
    line.feeder.slot_freed()
    try:
        await line.gate.opened.wait()
    finally:
        line.feeder.slot_taken_back()


def _asked(line: Line) -> AnsweredBy:
    """Return who was asked about a message that has no answer."""
    backend = line.route.backend
    return AnsweredBy(backend.model, backend.prompt_hash, backend.schema_hash, "", 1)


async def _either(stop: asyncio.Event, tasks: Sequence["asyncio.Task[None]"]) -> None:
    waiting = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait([waiting, *tasks], return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
