"""Watching promises: how they stand becomes metrics, a notice at /ready, and one log line when that changes."""

from workers.auditing.standing import Standing
from workers.health import Readiness
from workers.logs import bind
from workers.metrics import Metrics
from workers.metrics.promise_metrics import PromiseGauges

_LOG = bind("nanotriage.promise")
_WARNED = "labels go out all the same (promise.on_alarm); calibrate again, or `nanotriage audit resume`"
_HELD = "every message is escalated until the task is calibrated again, or `nanotriage audit resume`"


class PromiseWatch:
    """Says an alarm once, when it begins, and once when it is over."""

    def __init__(self, metrics: Metrics, readiness: Readiness) -> None:
        self._metrics = metrics
        self._readiness = readiness
        self._alarms: dict[str, str] = {}
        self._fields: dict[str, set[str]] = {}

    def put_up(self, task: str, count: int) -> None:
        if count:
            self._metrics.audits.labels(task).inc(count)

    def unwatched(self, task: str) -> None:
        """Say that nothing will tell whether this promise is kept."""
        PromiseGauges(self._metrics, task).status("unaudited")
        _LOG.warning("promise_not_watched", task=task, next="add routes.audit and routes.findings to the task")

    def troubled(self, why: str) -> None:
        _LOG.warning("findings_unread", why=why, next="they are read as soon as that is possible")

    def stands(self, task: str, standing: Standing) -> None:
        """Show how a task's labels stand."""
        metrics, gauges = self._metrics, PromiseGauges(self._metrics, task)
        gauges.forget_fields(self._fields.get(task, set()) - set(standing.judged))
        self._fields[task] = set(standing.judged)
        for name, judged in standing.judged.items():
            metrics.audit_findings.labels(task, name, "right").set(judged.right)
            metrics.audit_findings.labels(task, name, "wrong").set(judged.wrong)
            metrics.live_precision.labels(task, name).set(judged.precision)
            metrics.live_precision_least.labels(task, name).set(judged.least)
            if judged.calibration_error is not None:
                metrics.live_calibration_error.labels(task, name).set(judged.calibration_error)
            if judged.brier is not None:
                metrics.live_brier.labels(task, name).set(judged.brier)
        if standing.status is None:
            return
        gauges.status(standing.status.value)
        metrics.promise_evidence.labels(task, "findings").set(standing.error_evidence / standing.enough)
        if standing.shift_evidence is not None and standing.shift is not None:
            metrics.promise_evidence.labels(task, "scores").set(standing.shift_evidence / standing.enough)
            metrics.score_shift.labels(task).set(standing.shift)
        self._say(task, standing)

    def _say(self, task: str, standing: Standing) -> None:
        before = self._alarms.get(task)
        if standing.alarm is not None and before is None:
            self._alarms[task] = standing.alarm.why
            status = standing.alarm.status.value.replace("_", " ")
            self._readiness.notice(f"promise {task}", f"task {task}: promise {status}: {standing.alarm.why}")
            _LOG.error("promise_alarm", task=task, why=standing.alarm.why, next=_HELD if standing.held else _WARNED)
        elif standing.alarm is None and before is not None:
            del self._alarms[task]
            self._readiness.notice(f"promise {task}", None)
            _LOG.info("promise_resumed", task=task)
