"""Wiring of audits: a task's promise and topics become what watches its labels."""

from collections.abc import Callable, Sequence

from schemas.calibration import Calibration
from schemas.task import Task
from topics.log import Log
from topics.record import Outgoing
from workers.auditing.choosing import Choice
from workers.auditing.copies import without_text
from workers.auditing.findings_file import labels_of
from workers.auditing.following import Findings
from workers.auditing.monitor import Monitor, Pledge
from workers.auditing.stage import Auditing, AuditTopics
from workers.line import Line
from workers.routing import Shrinker, dead_topics
from workers.setting_sections import Settings
from workers.watch import Watch


def build_monitor(task: Task, settings: Settings, calibration: Calibration | None) -> Monitor:
    """Return what watches the labels of the task."""
    pledge = None
    if task.promise is not None and calibration is not None:
        pledge = Pledge(
            promise=task.promise,
            promised=task.promised(),
            calibration=calibration.identity,
            scores=calibration.scores,
            false_alarm=settings.promise.false_alarm,
            least_shift=settings.promise.shift,
            escalates=settings.promise.on_alarm == "escalate",
        )
    return Monitor(task.name, labels_of(task), pledge)


def build_auditing(task: Task, settings: Settings, calibration: Calibration | None) -> Auditing | None:
    """Return the audits of the task, None for one without routes for them."""
    audit, findings = task.routes.audit, task.routes.findings
    if audit is None or findings is None:
        return None
    key = settings.audit.choice_key.get_secret_value().encode() if settings.audit.choice_key is not None else b""
    return Auditing(
        task=task,
        topics=AuditTopics(audit, findings),
        choice=Choice(settings.audit.share, key),
        monitor=build_monitor(task, settings, calibration),
    )


def build_findings(log: Log, lines: Sequence[Line], watch: Watch, look_seconds: float) -> Findings:
    """Return what reads the findings about all lines; says which promises nobody watches."""
    monitors: dict[str, dict[str, Monitor]] = {}
    by_task: dict[str, Monitor] = {}
    for line in lines:
        if line.auditing is not None:
            by_task[line.task.name] = monitors.setdefault(line.auditing.topics.findings, {})[line.task.name] = (
                line.auditing.monitor
            )
            watch.promises.stands(line.task.name, line.auditing.monitor.standing())
        elif line.task.promise is not None:
            watch.promises.unwatched(line.task.name)
    return Findings(log, monitors, lambda task: watch.promises.stands(task, by_task[task].standing()), look_seconds)


def shrinker_of(tasks: Sequence[Task]) -> Callable[[Outgoing], Outgoing]:
    """Return what makes an event smaller that the log calls too large."""
    shrink = Shrinker({topic: dead for task in tasks for topic, dead in dead_topics(task).items()})
    audits = {task.routes.audit for task in tasks if task.routes.audit is not None}
    return lambda event: without_text(event) if event.topic in audits else shrink(event)
