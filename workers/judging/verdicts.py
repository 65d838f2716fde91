"""Verdicts: what becomes of a read message. Pure.

Extracted values are believed only as far as they can be checked: they must stand in the text, be of their type and match
their pattern. Labels are believed as far as the task's rule accepts their confidence. Whatever fails is a reason to
escalate, with the best answer attached; nothing is dropped silently.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple, assert_never

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
_NOTHING = FieldResult(None)
_NOT_SCORED = NotScored("the answer has no log-probabilities")

UserCheck = Callable[[dict[str, Any], str], str | None]


@dataclass(frozen=True, slots=True)
class UserCode:
    """What a task brings of the user's own: a pydantic model of the fields, and check functions by import path."""

    reply_model: type[BaseModel] | None = None
    functions: Mapping[str, UserCheck] = field(default_factory=dict)


class _Case(NamedTuple):
    """What a field's verdict rests on: the message's text, what was read of its answer, and who answered."""

    text: str
    reading: Read
    signals: Mapping[str, Signal]
    answered_by: str


_JudgeField = Callable[[_Case, list[Reason]], FieldResult]
"""Returns one field's result, and adds why it is doubted."""


class Judge:
    """Judges the readings of one task. Under a promise nothing is accepted without its calibration."""

    def __init__(self, task: Task, user_code: UserCode, calibration: Calibration | None = None) -> None:
        self._thresholds: Thresholds | None = None
        self._assurer: Assurer | None = None
        match task.acceptance():
            case Promise():
                self._assurer = Assurer(task, calibration)
            case Thresholds() as thresholds:
                self._thresholds = thresholds
            case unsaid:
                assert_never(unsaid)
        self._user_code = user_code
        self._rules: list[Rule] = compile_rules(task.checks, user_code.functions)
        # What kind of field it is, is asked once: once per message it shows.
        self._fields = [(name, field_.required, self._judge_of(name, field_)) for name, field_ in task.fields.items()]

    def judge(self, text: str, reading: Read, signals: Mapping[str, Signal], answered_by: str = "") -> Labelled | Escalated:
        """Return the verdict on one message.

        `signals` holds the scores of its labels, empty when the route has none; `answered_by` is what the model calls itself.
        """
        case = _Case(text, reading, signals, answered_by)
        reasons: list[Reason] = []
        results: dict[str, FieldResult] = {}
        for name, required, judge_field in self._fields:
            result = results[name] = judge_field(case, reasons)
            if required and result.value is None and not any(reason.field == name for reason in reasons):
                reasons.append(Reason(Doubt.UNKNOWN, name))
        if self._rules or self._user_code.reply_model is not None:
            values = {name: result.value for name, result in results.items()}
            reasons += broken_rules(self._rules, values, text)
            reasons += self._model_doubts(values)
        assurance = None
        if self._assurer is not None:
            assurance, doubts = self._assurer.assure(results, answered_by)
            reasons += doubts
        return Escalated(results, tuple(reasons), assurance) if reasons else Labelled(results, assurance)

    def _judge_of(self, name: str, task_field: TaskField) -> _JudgeField:
        match task_field:
            case LabelField() | SentimentField():
                return partial(self._label, name)
            case ExtractField():
                return partial(self._extract, name, task_field)
            case TextField(max_chars=most):
                return partial(_shortened, name, most)
            case _:
                assert_never(task_field)

    def _label(self, name: str, case: _Case, reasons: list[Reason]) -> FieldResult:
        band = case.reading.band
        signal = _CLAIMED[band] if band is not None else case.signals.get(name, _NOT_SCORED)
        label = case.reading.labels[name]
        if label is not None and self._thresholds is not None:  # under a promise all labels are judged together
            reasons += _below(name, signal, self._thresholds)
        assurer = self._assurer
        probability = None if assurer is None else assurer.probability(name, signal, case.answered_by)
        return FieldResult(label, signal, None, probability)

    @staticmethod
    def _extract(name: str, wanted: ExtractField, case: _Case, reasons: list[Reason]) -> FieldResult:
        text, written = case.text, case.reading.written[name]
        if written is None:
            return _NOTHING
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


def _shortened(name: str, most: int, case: _Case, _: list[Reason]) -> FieldResult:
    written = case.reading.written[name]
    return FieldResult(written[:most]) if written else _NOTHING


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
