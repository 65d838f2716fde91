"""Watching controls: what is run and what is not becomes metrics, notices at /ready, and one log line when it changes."""

from schemas.control import Control, NotRun
from workers.health import Readiness
from workers.logs import bind
from workers.metrics import Metrics

_LOG = bind("nanotriage.control")


class ControlWatch:
    """Says each change once."""

    def __init__(self, metrics: Metrics, readiness: Readiness) -> None:
        self._metrics = metrics
        self._readiness = readiness
        self._run: dict[str, Control | None] = {}
        self._refused: dict[str, NotRun | None] = {}
        self._held: dict[str, str | None] = {}

    def stands(self, key: str, control: Control | None, refused: NotRun | None) -> None:
        """Show which control of a task, or of `*`, is run, and which is not."""
        self._metrics.control_version.labels(key).set(0 if control is None else control.version)
        self._metrics.control_refused.labels(key).set(float(refused is not None))
        if control != self._run.get(key):
            self._run[key] = control
            if control is None:
                _LOG.info("control_withdrawn", task=key, next="the settings hold")
            else:
                _LOG.info("control_run", task=key, version=control.version, by=control.by, because=control.because)
        if refused != self._refused.get(key):
            self._refused[key] = refused
            if refused is not None:
                _LOG.error("control_refused", task=key, version=refused.version, why=refused.why, next="what was run is run on")

    def held(self, task: str, topic: str, why: str | None) -> None:
        """Show whether the task is paused, and why."""
        self._metrics.paused.labels(task, topic).set(float(why is not None))
        self._readiness.notice(f"paused {task}", None if why is None else f"task {task}: {why}")
        if why == self._held.get(task):
            return
        self._held[task] = why
        if why is not None:
            _LOG.warning("task_paused", task=task, why=why, next="what was read is finished; nothing more is read")
        else:
            _LOG.info("task_resumed", task=task)

    def held_back(self, task: str, why: str | None) -> None:
        """Show whether the task's labels are held back, and why."""
        notice = None if why is None else f"task {task}: every message is escalated by an operator's wish ({why})"
        self._readiness.notice(f"held back {task}", notice)

    def troubled(self, why: str) -> None:
        _LOG.warning("controls_unavailable", why=why, next="what was run is run on; they are read as soon as that is possible")
