"""What is known of promises while the worker runs."""

from contextlib import suppress
from typing import Literal, get_args

from prometheus_client import Counter, Gauge

from workers.metrics.declared import Declared

PromiseStatus = Literal["unaudited", "kept", "in_doubt", "broken"]
_BY_FIELD = ("task", "field")


class PromiseMetrics:
    """Audits, and how promises stand. `*` is all promised labels of a message together. Every worker shows all findings."""

    audits = Declared(Counter, "audits", "Labelled messages that were put up for audit.", ("task",), "messages")
    audit_findings = Declared(
        Gauge,
        "audit_findings",
        "Findings about the present calibration, by what they say.",
        (*_BY_FIELD, "label_is"),
        "messages",
    )
    live_precision = Declared(Gauge, "live_precision", "Share of right labels among audited ones.", _BY_FIELD, "share")
    live_precision_least = Declared(
        Gauge, "live_precision_least", "Bound of the precision, at the promise's confidence, at all times.", _BY_FIELD, "share"
    )
    live_calibration_error = Declared(
        Gauge, "live_calibration_error", "Expected calibration error over the last findings.", _BY_FIELD, "share"
    )
    live_brier = Declared(Gauge, "live_brier", "Brier score over the last findings.", _BY_FIELD, "share")
    promise_status = Declared(Gauge, "promise_status", "1 for how the promise stands.", ("task", "status"))
    promise_alarm = Declared(Gauge, "promise_alarm", "1 while a promise cannot be trusted: alert on it.", ("task",))
    promise_evidence = Declared(
        Gauge,
        "promise_evidence",
        "Evidence against a promise, as a part of what an alarm takes: by findings, or by scores.",
        ("task", "of"),
        "share",
    )
    score_shift = Declared(
        Gauge, "score_shift", "Population stability index of the last scores against the calibration's.", ("task",)
    )


class PromiseGauges:
    """One task's promise; its series are absent until they are set."""

    def __init__(self, metrics: PromiseMetrics, task: str) -> None:
        self._metrics, self._task = metrics, task

    def status(self, name: PromiseStatus) -> None:
        for each in get_args(PromiseStatus):
            self._metrics.promise_status.labels(self._task, each).set(float(each == name))
        self._metrics.promise_alarm.labels(self._task).set(float(name in {"in_doubt", "broken"}))

    def forget_fields(self, names: set[str]) -> None:
        """Take the series of these fields away: their findings were of another time."""
        for name in names:
            for kind in ("right", "wrong"):
                with suppress(KeyError):
                    self._metrics.audit_findings.remove(self._task, name, kind)
            for gauge in (
                self._metrics.live_precision,
                self._metrics.live_precision_least,
                self._metrics.live_calibration_error,
                self._metrics.live_brier,
            ):
                with suppress(KeyError):
                    gauge.remove(self._task, name)
