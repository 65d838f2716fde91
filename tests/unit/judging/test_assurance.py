"""Assurance: under a promise nothing is labelled but what its calibration vouches for."""

import pytest

from schemas.task import Task
from schemas.verdict import Band, Confidence, Doubt, Escalated, Labelled, NotScored, SignalKind
from tests.calibrations import calibration_of
from workers.judging.reading import Read
from workers.judging.verdicts import Judge, UserCode

INTENT = {"kind": "label", "labels": {"cancel": "", "track": ""}}
TEAM = {"kind": "label", "labels": {"shop": "", "bank": ""}}


def task(questions=None, **promise):
    return Task.model_validate(
        {
            "name": "tickets",
            "source": {"topic": "in", "text": "body"},
            "instructions": "Label the tickets.",
            "fields": questions or {"intent": INTENT},
            "promise": {"error": 0.05, **promise},
            "routes": {"labelled": "labelled", "escalated": "escalated", "dead": "dead"},
        }
    )


def judged(the_task, calibration, labels, scores=None, *, band=None, by="nano"):
    signals = {name: s if isinstance(s, NotScored) else Confidence(s, 1.0, 1, 0) for name, s in (scores or {}).items()}
    reading = Read(labels, {}, band, 0)
    return Judge(the_task, UserCode(), calibration).judge("", reading, signals, by)


def reasons(verdict):
    assert isinstance(verdict, Escalated), verdict
    return [(r.doubt, r.field) for r in verdict.reasons]


@pytest.mark.parametrize(("score", "accepted"), [(0.8, True), (0.7999996, True), (0.799999, False), (1.0, True)])
def test_a_score_is_accepted_from_the_calibrations_threshold_on(score, accepted):
    """At the six digits in which scores are published; the verdict carries score, probability, signal and calibration."""
    made = calibration_of(task())
    verdict = judged(task(), made, {"intent": "cancel"}, {"intent": score})
    assert isinstance(verdict, Labelled) == accepted
    assurance = verdict.assurance
    assert (assurance.score, assurance.signal) == (round(score, 6), SignalKind.LOGPROBS)
    assert assurance.calibration == made.identity
    assert assurance.probability == pytest.approx(score, abs=1e-5) == verdict.fields["intent"].probability
    assert accepted or reasons(verdict) == [(Doubt.LOW_CONFIDENCE, "intent")]


def test_the_labels_of_a_message_are_assured_together():
    """Two labels of 0.89 are worth 0.79; the weaker one is named."""
    both = task({"intent": INTENT, "team": TEAM})
    made = calibration_of(both)
    verdict = judged(both, made, {"intent": "cancel", "team": "shop"}, {"intent": 0.90, "team": 0.88})
    assert verdict.assurance.score == pytest.approx(0.792)
    assert reasons(verdict) == [(Doubt.LOW_CONFIDENCE, "team")]
    assert isinstance(judged(both, made, {"intent": "cancel", "team": "shop"}, {"intent": 0.95, "team": 0.95}), Labelled)


def test_labels_outside_the_promise_escalate_nothing():
    """An optional label travels with its probability, unless the promise names it."""
    mood = {"intent": INTENT, "mood": {"kind": "sentiment"}}
    scores = {"intent": 0.95, "mood": 0.3}
    labels = {"intent": "cancel", "mood": "negative"}
    verdict = judged(task(mood), calibration_of(task(mood)), labels, scores)
    assert isinstance(verdict, Labelled)
    assert verdict.fields["mood"].probability == pytest.approx(0.3)
    named = task(mood, fields=["intent", "mood"])
    assert reasons(judged(named, calibration_of(named), labels, scores)) == [(Doubt.LOW_CONFIDENCE, "mood")]


def test_an_unknown_label_claims_nothing():
    """A required one is a doubt of its own; an optional one leaves the others to be judged."""
    made = calibration_of(task())
    assert reasons(judged(task(), made, {"intent": None}, {"intent": 1.0})) == [(Doubt.UNKNOWN, "intent")]
    optional = task({"intent": INTENT | {"required": False}})
    assert isinstance(judged(optional, calibration_of(optional), {"intent": None}, {"intent": 1.0}), Labelled)


def test_a_label_with_its_own_promise_has_its_own_threshold():
    """Where none was found, all messages of that label are escalated, however sure."""
    own = task(labels={"field": "intent", "errors": {"cancel": 0.01}})
    made = calibration_of(own, {"*": 0.5, "cancel": 0.99})
    assert isinstance(judged(own, made, {"intent": "track"}, {"intent": 0.6}), Labelled)
    assert reasons(judged(own, made, {"intent": "cancel"}, {"intent": 0.6})) == [(Doubt.LOW_CONFIDENCE, "intent")]
    none = calibration_of(own, {"*": 0.5, "cancel": None})
    assert reasons(judged(own, none, {"intent": "cancel"}, {"intent": 1.0})) == [(Doubt.LOW_CONFIDENCE, "intent")]


def test_two_signals_are_never_held_against_one_threshold():
    """A calibration of log-probabilities says nothing of a stated band, nor the other way round."""
    made = calibration_of(task())
    assert reasons(judged(task(), made, {"intent": "cancel"}, band=Band.HIGH)) == [(Doubt.NOT_CALIBRATED, "intent")]
    banded = calibration_of(task(), signal=SignalKind.BAND)
    assert isinstance(judged(task(), banded, {"intent": "cancel"}, band=Band.HIGH), Labelled)
    assert reasons(judged(task(), banded, {"intent": "cancel"}, band=Band.LOW)) == [(Doubt.LOW_CONFIDENCE, "intent")]
    verdict = judged(task(), banded, {"intent": "cancel"}, {"intent": 1.0})
    assert reasons(verdict) == [(Doubt.NOT_CALIBRATED, "intent")]
    assert verdict.assurance.probability is None
    assert verdict.fields["intent"].probability is None


def test_a_decision_routes_probability_is_not_taken_for_a_log_probability():
    """Each has its own calibration, although both are numbers from 0 to 1."""
    decided = Confidence(0.99, 1.0, 1, 0, SignalKind.DISTRIBUTION)
    reading = Read({"intent": "cancel"}, {}, None, 0)

    def verdict(signal):
        made = calibration_of(task(), signal=signal)
        return Judge(task(), UserCode(), made).judge("", reading, {"intent": decided}, "nano")

    assert reasons(verdict(SignalKind.LOGPROBS)) == [(Doubt.NOT_CALIBRATED, "intent")]
    assert verdict(SignalKind.LOGPROBS).assurance.signal is SignalKind.DISTRIBUTION
    assert isinstance(verdict(SignalKind.DISTRIBUTION), Labelled)


def test_another_model_behind_the_same_name_is_not_believed():
    """An alias that moved on: everything is escalated until somebody calibrates again."""
    verdict = judged(task(), calibration_of(task()), {"intent": "cancel"}, {"intent": 1.0}, by="nano-2")
    assert reasons(verdict) == [(Doubt.NOT_CALIBRATED, "intent")]
    assert verdict.reasons[0].detail == "nano-2 answered, calibrated for nano"


def test_what_is_not_scored_is_null_and_never_certain():
    """One missing score leaves the whole message without one."""
    both = task({"intent": INTENT, "team": TEAM})
    missing = {"intent": 1.0, "team": NotScored("the label's tokens cannot be found")}
    verdict = judged(both, calibration_of(both), {"intent": "cancel", "team": "shop"}, missing)
    assert reasons(verdict) == [(Doubt.NOT_SCORED, "team")]
    assert (verdict.assurance.score, verdict.assurance.probability) == (None, None)
