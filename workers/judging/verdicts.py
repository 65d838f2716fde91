"""Verdicts: what becomes of a read message. Pure.

Extracted values are believed only as far as they can be checked: they must stand in the text, be of their type and match
their pattern. Labels are believed as far as the task's rule accepts their confidence. Whatever fails is a reason to
escalate, with the best answer attached; nothing is dropped silently.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, assert_never

from pydantic import BaseModel, ValidationError

from schemas.acceptance import Thresholds
from schemas.calibration import Calibration
from schemas.fields import ExtractField, LabelField, SentimentField, TaskField, TextField
from schemas.grounding import written_for
from schemas.patterns import matches
from schemas.promise import Promise
from schemas.task import Task
from schemas.values import parse_value, stands_in
from schemas.verdict import (
    Band,
    ClaimedConfidence,
    Confidence,
    Doubt,
    Escalated,
    FieldResult,
    Labelled,
    NotScored,
    Reason,
    Signal,
)
from workers.judging.assurance import Assurer
from workers.judging.checks import Rule, broken_rules, compile_rules
from workers.judging.reading import Read

_CLAIMED = {band: ClaimedConfidence(band) for band in Band}

UserCheck = Callable[[dict[str, Any], str], str | None]


@dataclass(frozen=True, slots=True)
class UserCode:
    """What a task brings of the user's own: a pydantic model of the fields, and check functions by import path."""

    reply_model: type[BaseModel] | None = None
    functions: Mapping[str, UserCheck] = field(default_factory=dict)


class Judge:
    """Judges the readings of one task. Under a promise nothing is accepted without its calibration."""

    def __init__(self, task: Task, user_code: UserCode, calibration: Calibration | None = None) -> None:
        self._task = task
        self._acceptance = task.acceptance()
        self._assurer = Assurer(task, calibration) if isinstance(self._acceptance, Promise) else None
        self._user_code = user_code
        self._rules: list[Rule] = compile_rules(task.checks, user_code.functions)

    def judge(self, text: str, reading: Read, signals: Mapping[str, Signal], answered_by: str = "") -> Labelled | Escalated:
        """Return the verdict on one message.

        `signals` holds the scores of its labels, empty when the route has none; `answered_by` is what the model calls itself.
        """
        reasons: list[Reason] = []
        results: dict[str, FieldResult] = {}
        claimed = _CLAIMED[reading.band] if reading.band is not None else None
        for name, task_field in self._task.fields.items():
            match task_field:
                case LabelField() | SentimentField():
                    signal: Signal = claimed or signals.get(name) or NotScored("the answer has no log-probabilities")
                    result = FieldResult(reading.labels[name], signal, None, self._probability(name, signal, answered_by))
                    reasons += self._doubts_label(name, result, task_field)
                case ExtractField():
                    result = self._extract(name, task_field, reading.written[name], text, reasons)
                case TextField(max_chars=most):
                    written = reading.written[name]
                    result = FieldResult(written[:most] if written else None)
                case _:
                    assert_never(task_field)
            if result.value is None and task_field.required and not any(r.field == name for r in reasons):
                reasons.append(Reason(Doubt.UNKNOWN, name))
            results[name] = result
        values = {name: result.value for name, result in results.items()}
        reasons += broken_rules(self._rules, values, text)
        reasons += self._model_doubts(values)
        assurance = None
        if self._assurer is not None:
            assurance, doubts = self._assurer.assure(results, answered_by)
            reasons += doubts
        return Escalated(results, tuple(reasons), assurance) if reasons else Labelled(results, assurance)

    def _probability(self, name: str, signal: Signal, answered_by: str) -> float | None:
        return self._assurer.probability(name, signal, answered_by) if self._assurer is not None else None

    def _doubts_label(self, name: str, result: FieldResult, task_field: TaskField) -> list[Reason]:
        if result.value is None:
            return [Reason(Doubt.UNKNOWN, name)] if task_field.required else []
        match self._acceptance:
            case Promise():
                return []  # all its labels are judged together
            case Thresholds() as thresholds:
                return _below(name, result.signal, thresholds)
            case _:
                assert_never(self._acceptance)

    def _extract(self, name: str, wanted: ExtractField, written: str | None, text: str, reasons: list[Reason]) -> FieldResult:
        if written is None:
            return FieldResult(None)
        value = parse_value(wanted.type, written)
        if wanted.grounded and not stands_in(text, written):
            otherwise = None if value is None else written_for(wanted.type, text, value)
            if otherwise is None:
                reasons.append(Reason(Doubt.NOT_GROUNDED, name))
                return FieldResult(None, None, written)
            written = otherwise
        if value is None or (wanted.pattern is not None and not matches(wanted.pattern, written.strip())):
            what = f"not of type {wanted.type.value}" if value is None else "against its pattern"
            reasons.append(Reason(Doubt.NOT_A_VALUE, name, what))
            return FieldResult(None, None, written)
        return FieldResult(value, None, written)

    def _model_doubts(self, values: dict[str, Any]) -> list[Reason]:
        model = self._user_code.reply_model
        if model is None:
            return []
        try:
            model.model_validate(values)
        except ValidationError as error:
            return [Reason(Doubt.CHECK_FAILED, _top(e["loc"]), f"{model.__name__}: {e['type']}") for e in error.errors()]
        except Exception as error:  # noqa: BLE001  # a user's validator may raise anything; no message is lost to it
            return [Reason(Doubt.CHECK_FAILED, None, f"{model.__name__} raised {type(error).__name__}")]
        return []


def _below(name: str, signal: Signal | None, thresholds: Thresholds) -> list[Reason]:
    match signal:
        case Confidence(probability=probability, kind=kind):
            least = thresholds.of(name, kind)
            if least is None:
                return [Reason(Doubt.NOT_SCORED, name, f"the task states no threshold for the signal {kind}")]
            if probability >= least:
                return []
            return [Reason(Doubt.LOW_CONFIDENCE, name, f"{probability:.2f} is below {least:.2f}")]
        case ClaimedConfidence(band=band):
            return [] if band in thresholds.bands else [Reason(Doubt.LOW_CONFIDENCE, name, f"the stated band is {band}")]
        case NotScored(why=why):
            return [Reason(Doubt.NOT_SCORED, name, why)]
        case None:
            return [Reason(Doubt.NOT_SCORED, name)]
        case _:
            assert_never(signal)


def _top(location: tuple[int | str, ...]) -> str | None:
    return str(location[0]) if location else None
