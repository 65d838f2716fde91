"""Assurance: whether the promised labels of a message may be published, together. Pure.

A message's score is the product of its promised labels' confidences: nothing is fitted, so the examples that a calibration
learns from say the same of it as fresh ones. The calibration's threshold is on that score. A score of another signal, or by
a model that did not answer when it was calibrated, has no threshold: the message is escalated.
"""

from collections.abc import Mapping
from math import prod
from typing import assert_never

from schemas.calibration import Calibration
from schemas.task import Task
from schemas.verdict import (
    Assurance,
    Band,
    ClaimedConfidence,
    Confidence,
    Doubt,
    FieldResult,
    NotScored,
    Reason,
    Signal,
    SignalKind,
)

BAND_SCORES = {Band.HIGH: 0.9, Band.MEDIUM: 0.6, Band.LOW: 0.3}
"""Ranks, not probabilities: a calibration makes these."""

_DIGITS = 6  # as published, so that a threshold means the same to who made it and to who applies it


class Assurer:
    """Assures the promised labels of one task. Without a calibration nothing is published."""

    def __init__(self, task: Task, calibration: Calibration | None) -> None:
        self._fields = task.promised()
        labels = task.promise.labels if task.promise else None
        self._grouped = labels.field if labels else None
        self._calibration = calibration
        self._name = calibration.identity if calibration else None

    def probability(self, name: str, signal: Signal | None, answered_by: str) -> float | None:
        """Return the probability that this field's label is right, None where the calibration does not tell."""
        if self._calibration is None or signal is None or name not in self._calibration.fields:
            return None
        kind, score = _ranked(signal)
        fits = score is not None and _stranger(self._calibration, kind, answered_by) is None
        return self._calibration.fields[name].of(round(score, _DIGITS)) if fits and score is not None else None

    def assure(self, results: Mapping[str, FieldResult], answered_by: str) -> tuple[Assurance, list[Reason]]:
        """Return the assurance, and why the message must be escalated; an unknown label claims nothing."""
        scores: dict[str, float] = {}
        doubts: list[Reason] = []
        kind: SignalKind | None = None
        for name in self._fields:
            result = results[name]
            if result.value is None:
                continue
            kind, score = _ranked(result.signal or NotScored("it has no signal"))
            if score is None:
                doubts.append(Reason(Doubt.NOT_SCORED, name, result.signal.why if isinstance(result.signal, NotScored) else ""))
            else:
                scores[name] = score
        if doubts or not scores:
            return Assurance(calibration=self._name), doubts
        # The band is the model's word on the whole message, once however many labels it has.
        score = round(min(scores.values()) if kind is SignalKind.BAND else prod(scores.values()), _DIGITS)
        weakest = min(scores, key=scores.__getitem__)
        if self._calibration is None:
            return Assurance(score, None, kind), [Reason(Doubt.NOT_CALIBRATED, weakest, "the promise has no calibration")]
        if (why := _stranger(self._calibration, kind, answered_by)) is not None:
            return Assurance(score, None, kind, self._name), [Reason(Doubt.NOT_CALIBRATED, weakest, why)]
        curve = self._calibration.event
        assurance = Assurance(score, curve.of(score) if curve else None, kind, self._name)
        label = results[self._grouped].value if self._grouped else None
        return assurance, _below(score, self._calibration.group(label).least, weakest)


def _ranked(signal: Signal) -> tuple[SignalKind | None, float | None]:
    match signal:
        case Confidence(probability=probability, kind=kind):
            return kind, probability
        case ClaimedConfidence(band=band):
            return SignalKind.BAND, BAND_SCORES[band]
        case NotScored():
            return None, None
        case _:
            assert_never(signal)


def _stranger(calibration: Calibration, kind: SignalKind | None, answered_by: str) -> str | None:
    if kind is not calibration.bound.signal:
        return f"calibrated for the signal {calibration.bound.signal}"
    if answered_by not in calibration.answered_by:
        return f"{answered_by} answered, calibrated for {', '.join(calibration.answered_by)}"
    return None


def _below(score: float, least: float | None, weakest: str) -> list[Reason]:
    if least is None:
        return [Reason(Doubt.LOW_CONFIDENCE, weakest, "no threshold keeps the promise for this label")]
    if score < least:
        return [Reason(Doubt.LOW_CONFIDENCE, weakest, f"the score {score:.4f} is below {least:.4f}")]
    return []
