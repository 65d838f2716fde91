"""The stage between a verdict and its event: an alarm holds labels back, and some of those that pass are put up for audit."""

from dataclasses import dataclass

import orjson

from schemas.message import Message
from schemas.task import Task
from schemas.verdict import Doubt, Escalated, Labelled, Reason
from topics.record import Outgoing
from workers.auditing.choosing import Choice
from workers.auditing.copies import audit_copy, claim_of, event_id_of
from workers.auditing.monitor import Monitor


@dataclass(frozen=True, slots=True)
class AuditTopics:
    """Where labelled messages are put up, and where findings come back."""

    audit: str
    findings: str


@dataclass(frozen=True, slots=True)
class Auditing:
    """One task's."""

    task: Task
    topics: AuditTopics
    choice: Choice
    monitor: Monitor

    def pass_on(self, verdict: Labelled | Escalated) -> Labelled | Escalated:
        """Return what becomes of the verdict, after its score was looked at."""
        score = _promised_score(verdict)
        if score is not None:
            self.monitor.scored(score)
        alarm = self.monitor.alarm
        if alarm is None or not self.monitor.holds or isinstance(verdict, Escalated):
            return verdict
        return Escalated(verdict.fields, (Reason(Doubt.PROMISE_IN_DOUBT, None, alarm.why),), verdict.assurance)

    def copies(self, verdict: Labelled | Escalated, message: Message, event: Outgoing) -> tuple[Outgoing, ...]:
        """Return the audit event beside a labelled one, if it is chosen."""
        if isinstance(verdict, Escalated):
            return ()
        event_id = event_id_of(event.headers)
        if not self.choice.chooses(event_id):
            return ()
        return (audit_copy(self.topics.audit, event, claim_of(self.task, verdict, event_id), message),)

    def untold(self) -> tuple[Outgoing, ...]:
        """Return the note by which all workers learn of an alarm that was raised here."""
        alarm = self.monitor.untold
        if alarm is None:
            return ()
        value = orjson.dumps(alarm.model_dump(mode="json"))
        return (Outgoing(self.topics.findings, self.task.name.encode(), value, (("content-type", b"application/json"),)),)


def _promised_score(verdict: Labelled | Escalated) -> float | None:
    """Return the score of a message that nothing but the promise may escalate: such were the calibration's examples."""
    if verdict.assurance is None:
        return None
    if isinstance(verdict, Escalated) and any(reason.doubt is not Doubt.LOW_CONFIDENCE for reason in verdict.reasons):
        return None
    return verdict.assurance.score
