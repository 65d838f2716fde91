"""Settling: a verdict becomes an event in its partition's lane, and what is owed no longer is.

Every record pulled is settled once, by exactly one event: a rejected one at once, an answered one when its verdict is
known. A record whose partition is revoked meanwhile is settled by nobody here, because its next owner reads it again.
"""

from collections.abc import Mapping
from dataclasses import replace

from schemas.verdict import Doubt, Escalated, FieldResult, Labelled, Reason, Rejected, Verdict
from topics.record import Outgoing, Receipt
from topics.source import Arrival, Source
from workers.clocks import Clocks
from workers.line import Entry, Kept, Line, Part
from workers.routing import AnsweredBy
from workers.summing import Note, Spent
from workers.watch import Watch


class Settling:
    """Knows which messages have no verdict yet; bounded by the windows of the lanes."""

    def __init__(self, source: Source, watch: Watch, clocks: Clocks) -> None:
        self._source = source
        self._watch = watch
        self._clocks = clocks
        self._waiting: dict[Receipt, Entry] = {}
        self._epoch = source.epoch

    def waits(self, entry: Entry) -> None:
        """Remember a message that is to be asked about."""
        self._waiting[entry.receipt] = entry

    def waits_on(self, entry: Entry) -> Entry:
        """Remember what is known by now of a message that is to be asked about again."""
        if entry.receipt in self._waiting:
            self._waiting[entry.receipt] = entry
        return entry

    def still_owed(self, part: Part) -> Part:
        """Leave out entries of partitions that were taken away meanwhile: their new owner asks for itself."""
        return replace(part, entries=[entry for entry in part.entries if not self._is_lost(entry)])

    def drop_lost(self, lines: Mapping[str, Line]) -> None:
        """After a rebalance, take out of the windows what is not ours to ask about any more, or will be received again.

        Left there, it would have to be taken out of batches, and calls would be made about the rest of them.
        """
        if self._source.epoch != self._epoch:
            self._epoch = self._source.epoch
            for line in lines.values():
                line.feeder.remove(self._is_lost)

    def _is_lost(self, entry: Entry) -> bool:
        if self._source.owes(entry.receipt):
            return False
        self._waiting.pop(entry.receipt, None)
        return True

    def answered(
        self, line: Line, entry: Entry, verdict: Labelled | Escalated, by: AnsweredBy, *, place: int, attempts: int
    ) -> None:
        """Publish a verdict that rests on an answer, and what its audit puts beside it."""
        auditing = (
            line.auditing if line.router.probe_of(entry.record) is None else None
        )  # what is known says nothing of messages
        if auditing is not None:
            verdict = auditing.pass_on(verdict)
        if line.hold.labels is not None and isinstance(verdict, Labelled):
            verdict = Escalated(verdict.fields, (Reason(Doubt.HELD_BACK, None, line.hold.labels),), verdict.assurance)
        event = line.router.answered(verdict, entry.record, entry.message, by, place=place, attempts=attempts)
        if auditing is None:
            self.publish(line, entry, verdict, event)
        else:
            notes = auditing.untold()
            if self.publish(line, entry, verdict, event, auditing.copies(verdict, entry.message, event) + notes) and notes:
                auditing.monitor.told()
                self._watch.promises.stands(line.task.name, auditing.monitor.standing())
        line.brake.answered(entry.receipt.partition)

    def give_up_stragglers(self, lines: Mapping[str, Line]) -> None:
        """Escalate a message that alone holds thousands of others up, with the last answer that could be read.

        A better one, should it come, settles nothing.
        """
        for receipt in self._source.stragglers():
            entry = self._waiting.get(receipt)
            if entry is None:
                continue
            line = lines[receipt.partition.topic]
            unanswered = Reason(Doubt.UNANSWERED, None)
            if (kept := entry.kept) is None:
                unknown = {name: FieldResult(None) for name in line.task.fields}
                kept = Kept(Escalated(unknown, (unanswered,)), _asked(line), place=0, attempts=1)
            else:
                kept = kept._replace(verdict=replace(kept.verdict, reasons=(unanswered, *kept.verdict.reasons)))
            self._publish_kept(line, entry, kept)

    def give_up(self, line: Line, entry: Entry, rejected: Rejected, *, attempts: int) -> None:
        """Escalate with the last answer that could be read, however imperfect; reject what never had one."""
        if entry.kept is None:
            self.reject(line, entry, rejected, attempts=attempts)
            return
        self._publish_kept(line, entry, entry.kept)
        line.brake.answered(entry.receipt.partition)

    def reject(self, line: Line, owed: Arrival | Entry, rejected: Rejected, *, attempts: int) -> None:
        why = line.brake.dead(owed.receipt.partition)
        if why is not None:  # not published: it stays owed, and is read again once somebody has acted
            if line.gate.close(why):
                self._watch.barred(line.task.name, why)
            return
        by = _asked(line) if attempts else None
        self.publish(line, owed, rejected, line.router.dead(rejected, owed.record, attempts=attempts, by=by))

    def _publish_kept(self, line: Line, entry: Entry, kept: Kept) -> None:
        verdict, by, place, attempts = kept
        event = line.router.answered(verdict, entry.record, entry.message, by, place=place, attempts=attempts)
        self.publish(line, entry, verdict, event)

    def publish(
        self, line: Line, owed: Arrival | Entry, verdict: Verdict, event: Outgoing, beside: tuple[Outgoing, ...] = ()
    ) -> bool:
        """Event -> the partition's lane, which publishes it with the Position and what is `beside` it, in one transaction.

        Return whether the record is ours.
        """
        self._waiting.pop(owed.receipt, None)
        if line.summed and line.router.probe_of(owed.record) is None:
            event = event._replace(note=self._note(line, owed, verdict))
        if not self._source.settle(owed.receipt, [event, *beside]):
            return False
        self._watch.verdict(line.task.name, verdict, owed.record, self._clocks.wall())
        if beside:
            self._watch.promises.put_up(line.task.name, sum(one.topic == line.task.routes.audit for one in beside))
        return True

    def _note(self, line: Line, owed: Arrival | Entry, verdict: Verdict) -> Note:
        tenant, spent = (owed.message.tenant, owed.spent) if isinstance(owed, Entry) else (None, Spent())
        seconds = max(0.0, self._clocks.wall() - owed.record.timestamp_ms / 1000)
        labels = line.task.classified().keys()
        return Note(line.task.name, tenant, line.route.backend.model, verdict, labels, seconds, spent)


def _asked(line: Line) -> AnsweredBy:
    """Return who was asked about a message that has no answer."""
    backend = line.route.backend
    return AnsweredBy(backend.model, backend.prompt_hash, backend.schema_hash, "", 1)
