"""Labelling: one batch is asked about until each of its messages has a verdict.

Batch -> Question -> Answer -> Reading -> Verdict, and again for what an answer left unread
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import assert_never

from schemas.verdict import Refusal, Rejected
from workers.asking.model import Answer, Barred, Broken, Fault, Question, Refused, TooBig, TryAgain
from workers.asking.retry import GiveUp, Halve, Stop, Wait, after_fault, after_reading, halves
from workers.batching.feeder import Feeder
from workers.batching.tokens import Call
from workers.batching.window import Batch
from workers.calls import Asked, Permit
from workers.clocks import Clocks
from workers.guarding.canaries import Canary, Pair
from workers.guarding.firewall import around
from workers.judging.reading import Read, Reading, Unread
from workers.judging.repair import Again, settle
from workers.line import Entry, Kept, Line, Part
from workers.routing import AnsweredBy
from workers.settling import Settling
from workers.watch import Watch

_TURNS = 3  # of the event loop, until a call that may start is on its way


class Labelling:
    """Asks, reads and judges; what it finds is settled by `settling`."""

    def __init__(self, settling: Settling, watch: Watch, clocks: Clocks) -> None:
        self._settling = settling
        self._watch = watch
        self._clocks = clocks

    async def label(self, line: Line, batch: Batch[Entry], permit: Permit) -> None:
        """Batch -> Question -> Answer -> Reading -> Verdict -> Event, and again for what an answer left unread.

        `permit` is leave for its first call.
        """
        given: Permit | None = permit
        slot = _Slot(line.feeder)
        try:
            parts = self._parts(line, batch)
            while parts:
                if given is not None and line.gate.why is not None:
                    given.unused()
                    given = None
                await _past_gate(line, slot)
                part = line.recalled(self._settling.still_owed(parts.pop()))
                if not part.entries:
                    continue
                pair = None if line.firewall is None else line.firewall.beside([entry.message for entry in part.entries])
                messages = around(pair, [entry.message for entry in part.entries])
                if (unfit := line.calls.unfit(messages)) is not None:
                    parts += await self._endure(line, slot, part, unfit)
                    continue
                if given is None:
                    given = await line.calls.permit(messages, again=part.faults > 0)
                    part = self._settling.still_owed(part)  # the wait may have been long
                permit, given = given, None
                self._watch.admitted(line.task.name, permit.waited_seconds)
                if not part.entries:
                    permit.unused()
                    continue
                if line.recall is not None and not part.tries:
                    self._watch.contexts(line.task.name, part.entries)
                wrong = [entry.wrong for entry in part.entries]
                messages = around(pair, [entry.message for entry in part.entries])
                question = line.route.question(messages, wrong if pair is None else [(), *wrong, ()])
                asked = await permit.ask(question)
                result = asked.result
                self._watch.call(line.task.name, asked)
                _learn_size(line, part, question, asked)
                if isinstance(result, Answer):
                    await slot.pass_on()
                    parts += self._judge(line, part, pair, question.refs, result)
                else:
                    parts += await self._endure(line, slot, part, result)
        finally:
            if given is not None:
                given.unused()
            slot.free()
            self._watch.batch_ended()

    def _parts(self, line: Line, batch: Batch[Entry]) -> list[Part]:
        """Split a batch where texts in it look as if they spoke to the model."""
        if line.firewall is None:
            return [Part(batch.items)]
        entries = line.recalled(Part(batch.items)).entries  # what was said before can speak to the model, too
        groups, isolated = line.firewall.groups(entries, lambda entry: entry.message)
        if len(groups) > 1 and not line.firewall.canaries.asked:
            line.canaries_wanted.set()
        for why in isolated:
            self._watch.guard.isolated(line.task.name, why)
        return [Part(group) for group in groups]

    def _judge(self, line: Line, part: Part, pair: Pair | None, refs: Sequence[str], answer: Answer) -> list[Part]:
        """Publish a verdict for every entry the answer can be read for; return the parts to ask again."""
        readings = line.reader.read(answer, refs)
        if line.summed:
            part = replace(part, entries=[e._replace(spent=e.spent.plus(answer.usage, len(refs))) for e in part.entries])
        if pair is not None:
            sound = all(_sings(canary, reading) for canary, reading in zip(pair, (readings[0], readings[-1]), strict=True))
            self._watch.guard.canaries(line.task.name, sound=sound)
            if not sound:  # an answer is void for whoever shares it
                return [Part([entry], part.tries) for entry in part.entries]
            readings = readings[1:-1]
        backend = line.route.backend
        by = AnsweredBy(answer.model, backend.prompt_hash, backend.schema_hash, answer.request_id, len(refs))
        tries = part.tries + 1
        self._put_aside(line, part, readings)
        unread: list[Entry] = []
        for entry, reading in zip(part.entries, readings, strict=True):
            place = 0 if isinstance(reading, Unread) else reading.place
            repair = line.repair and part.tries == 0
            match settle(line.judge, entry.message.text, reading, answer.model, repair=repair):
                case Again(why=why, wrong=wrong, best=best):
                    kept = entry.kept if best is None else Kept(best, by, place, tries)
                    self._watch.unread(line.task.name, why)
                    unread.append(self._settling.waits_on(entry._replace(wrong=wrong, kept=kept)))
                case verdict:
                    self._settling.answered(line, entry, verdict, by, place=place, attempts=tries)
        again = after_reading(unread, asked=len(part.entries), tries=part.tries)
        if not again:
            rejected = Rejected(Refusal.NO_VALID_ANSWER, f"no valid answer in {tries} calls")
            for entry in unread:
                self._settling.give_up(line, entry, rejected, attempts=tries)
        return [Part(entries, tries) for entries in again]

    def _put_aside(self, line: Line, part: Part, readings: Sequence[Reading]) -> None:
        """Let some of what was answered be asked again (`workers.guard`), but nothing that was asked with what was wrong."""
        if line.invariance is None:
            return
        pairs = zip(part.entries, readings, strict=True)
        labels = [reading.labels if isinstance(reading, Read) and not entry.wrong else None for entry, reading in pairs]
        line.invariance.answered([entry.message for entry in part.entries], labels, self._clocks.jitter)

    async def _endure(self, line: Line, slot: "_Slot", part: Part, fault: Fault) -> list[Part]:
        """Do what the fault asks for: wait, ask less at once, give one message up, or stop until an operator acts."""
        faults = part.faults + 1
        match after_fault(fault, len(part.entries), faults, self._clocks.jitter(), line.patience):
            case Wait(seconds=seconds):
                await asyncio.sleep(seconds)
                return [Part(part.entries, part.tries, faults if seconds else part.faults)]
            case Halve():
                return [Part(half, part.tries + 1) for half in halves(part.entries)]
            case GiveUp(refusal=refusal, detail=detail):
                self._settling.give_up(line, part.entries[0], Rejected(refusal, detail), attempts=part.tries + 1)
                return []
            case Stop(why=why):
                slot.free()  # another task that shares the model may be free to ask
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


def _learn_size(line: Line, part: Part, question: Question, asked: Asked) -> None:
    """Let the next batches be as large as such calls have shown to be good.

    What is asked again for one text that fits no call, or no answer, says nothing more of batches.
    """
    items, result = len(question.refs), asked.result
    match result:
        case Answer(cut=False, usage=usage):
            call = Call(question.size, items, usage.input, usage.output)
            line.sizing.answered(call, asked.seconds, steady=line.calls.limiter.steady)
        case Answer() | TooBig():
            if part.tries == 0 and len(part.entries) > 1:
                line.sizing.too_big(items)
        case TryAgain() | Refused() | Broken() | Barred():
            return
        case _:
            assert_never(result)
    line.feeder.resize(line.sizing.limits())


async def _past_gate(line: Line, slot: "_Slot") -> None:
    """Wait while the gate is closed, without a slot: another task that shares the model may be free to ask."""
    if not line.gate.opened.is_set():
        slot.free()
        await line.gate.opened.wait()
    slot.take()


class _Slot:
    """The slot of one batch: held while it asks. Who reads an answer needs none."""

    def __init__(self, feeder: Feeder[Entry]) -> None:
        self._feeder = feeder
        self._held = True

    def free(self) -> None:
        if self._held:
            self._held = False
            self._feeder.slot_freed()

    def take(self) -> None:
        if not self._held:
            self._held = True
            self._feeder.slot_taken_back()

    async def pass_on(self) -> None:
        """Free the slot, and let the call that takes it be on its way: the model should not wait for an answer to be read."""
        self.free()
        for _ in range(_TURNS):
            await asyncio.sleep(0)


def _sings(canary: Canary, reading: Reading) -> bool:
    return isinstance(reading, Read) and canary.sings(reading.labels)
