"""Verdicts: what is believed of an answer, and the reason for whatever is not."""

import pytest
from pydantic import BaseModel, model_validator

from schemas.task import Task
from schemas.verdict import Band, Confidence, Doubt, Escalated, Labelled, NotScored, Reason
from workers.judging.reading import Read
from workers.judging.verdicts import Judge, UserCode

INTENT = {"kind": "label", "labels": {"cancel": "", "track": ""}}
AMOUNT = {"kind": "extract", "type": "money"}


def task(fields=None, **changes):
    raw = {
        "name": "tickets",
        "source": {"topic": "in", "text": "body"},
        "instructions": "Label the tickets.",
        "fields": fields or {"intent": INTENT},
        "routes": {"labelled": "labelled", "escalated": "escalated", "dead": "dead"},
    }
    return Task.model_validate(raw | changes)


def sure(probability, mass=1.0):
    return Confidence(probability, mass, 1, 0)


def judged(the_task, labels=None, written=None, *, text="", signals=None, band=None, user_code=None):
    reading = Read(labels or {}, written or {}, band, 0)
    return Judge(the_task, user_code or UserCode()).judge(text, reading, signals or {})


def reasons(verdict):
    assert isinstance(verdict, Escalated), verdict
    return [(r.doubt, r.field) for r in verdict.reasons]


@pytest.mark.parametrize(
    ("probability", "thresholds", "accepted"),
    [
        (0.7, None, True),
        (0.69, None, False),
        (0.9, {"default": 0.95}, False),
        (0.95, {"default": 0.95}, True),
        (0.6, {"default": 0.95, "fields": {"intent": 0.6}}, True),
        (0.9, {"default": 0.1, "fields": {"intent": 0.95}}, False),
        (1.0, {"default": 1.0}, True),
    ],
)
def test_a_label_is_accepted_from_its_fields_threshold_on(probability, thresholds, accepted):
    """0.7 by default; the threshold itself is accepted."""
    verdict = judged(task(thresholds=thresholds), {"intent": "cancel"}, signals={"intent": sure(probability)})
    assert isinstance(verdict, Labelled) == accepted
    assert verdict.fields["intent"].value == "cancel"
    assert accepted or reasons(verdict) == [(Doubt.LOW_CONFIDENCE, "intent")]


@pytest.mark.parametrize(
    ("band", "bands", "accepted"),
    [
        (Band.HIGH, ("high",), True),
        (Band.MEDIUM, ("high",), False),
        (Band.LOW, ("high",), False),
        (Band.MEDIUM, ("high", "medium"), True),
        (Band.HIGH, (), False),
    ],
)
def test_a_stated_band_is_measured_by_bands_never_by_a_number(band, bands, accepted):
    """The model's own word has a rule of its own; a probability beside it is not looked at."""
    rule = task(thresholds={"default": 0.01, "bands": bands})
    verdict = judged(rule, {"intent": "cancel"}, band=band, signals={"intent": sure(1.0)})
    assert isinstance(verdict, Labelled) == accepted


@pytest.mark.parametrize("signals", [{}, {"intent": NotScored("missing")}, {"other": sure(1.0)}])
def test_a_label_without_a_confidence_is_not_certain(signals):
    """Nothing scored is a reason, however low the threshold."""
    verdict = judged(task(thresholds={"default": 0.001}), {"intent": "cancel"}, signals=signals)
    assert reasons(verdict) == [(Doubt.NOT_SCORED, "intent")]


def test_an_unknown_label_is_a_reason_only_where_it_is_required():
    """And is not also called unsure."""
    mood = {"kind": "sentiment"}
    both = task({"intent": INTENT, "mood": mood})
    assert isinstance(judged(both, {"intent": "cancel", "mood": None}, signals={"intent": sure(1)}), Labelled)
    assert reasons(judged(both, {"intent": None, "mood": None})) == [(Doubt.UNKNOWN, "intent")]
    optional = task({"intent": INTENT | {"required": False}})
    assert isinstance(judged(optional, {"intent": None}), Labelled)


def test_every_doubt_is_told_at_once():
    """A person sees all reasons, by field, not the first."""
    fields = {
        "intent": INTENT,
        "mood": {"kind": "sentiment", "required": True},
        "order_id": {"kind": "extract", "required": True},
    }
    verdict = judged(task(fields), {"intent": "cancel", "mood": "negative"}, {"order_id": None}, signals={"intent": sure(0.1)})
    assert reasons(verdict) == [(Doubt.LOW_CONFIDENCE, "intent"), (Doubt.NOT_SCORED, "mood"), (Doubt.UNKNOWN, "order_id")]


def test_a_promise_without_a_calibration_escalates_every_label():
    """Nothing could hold it, whatever the model says of itself."""
    promised = task(promise={"error": 0.05})
    for signals, band, doubt in (
        ({"intent": sure(1.0)}, None, Doubt.NOT_CALIBRATED),
        ({}, Band.HIGH, Doubt.NOT_CALIBRATED),
        ({}, None, Doubt.NOT_SCORED),
    ):
        assert reasons(judged(promised, {"intent": "cancel"}, signals=signals, band=band)) == [(doubt, "intent")]


def extracted(written, text, **field):
    verdict = judged(task({"value": {"kind": "extract"} | field}), written={"value": written}, text=text)
    return verdict, verdict.fields["value"]


@pytest.mark.parametrize(
    ("kind", "written", "value"),
    [
        ("string", "AB 12", "AB 12"),
        ("integer", "1,200", 1200),
        ("decimal", "12.50", "12.50"),
        ("money", "EUR 12.50", {"amount": "12.50", "currency": "EUR"}),
        ("email", "A.b@Example.org", "A.b@example.org"),
        ("date", "2026-03-01", "2026-03-01"),
    ],
)
def test_a_value_that_stands_in_the_text_is_normalised_and_kept_as_written(kind, written, value):
    """The consumer gets one form, the person the other."""
    verdict, result = extracted(written, f"about {written} please", type=kind)
    assert isinstance(verdict, Labelled)
    assert (result.value, result.written, result.signal) == (value, written, None)


def test_a_value_that_does_not_stand_in_the_text_is_not_published():
    """Made up, or from a neighbour's message: it is told as written, and the value is unknown."""
    verdict, result = extracted("99999", "cancel my order 12", required=True)
    assert reasons(verdict) == [(Doubt.NOT_GROUNDED, "value")]
    assert (result.value, result.written) == (None, "99999")


@pytest.mark.parametrize(
    ("kind", "written", "text", "stands"),
    [
        ("money", "1234.50 GBP", "charged £1,234.50 twice", "£1,234.50"),
        ("date", "2016-11-15", "on 15 November 2016.", "15 November 2016"),
    ],
)
def test_a_value_that_stands_in_the_text_otherwise_is_published_as_it_stands_there(kind, written, text, stands):
    """A model that normalises is no liar; the person sees what the text has."""
    verdict, result = extracted(written, text, type=kind)
    assert isinstance(verdict, Labelled)
    assert result.written == stands


def test_part_of_a_longer_number_does_not_stand_in_the_text():
    """12 is not in 4123."""
    assert reasons(extracted("12", "order 4123")[0]) == [(Doubt.NOT_GROUNDED, "value")]


def test_grounding_can_be_turned_off_for_a_field():
    """Such as a value that the text only implies."""
    verdict, result = extracted("EUR", "twelve euros", type="currency", grounded=False)
    assert isinstance(verdict, Labelled)
    assert result.value == "EUR"


@pytest.mark.parametrize(
    ("written", "field"),
    [
        ("soon", {"type": "integer"}),
        ("12.5", {"type": "integer"}),
        ("nobody", {"type": "email"}),
        ("DE00 1234", {"type": "iban"}),
        ("AB12", {"pattern": "[0-9]{3,}"}),
        ("12", {"pattern": "[0-9]{3,}"}),
        ("123 x", {"pattern": "[0-9]{3,}"}),
        ("1" * 300, {"pattern": "[0-9]{3,}"}),
    ],
)
def test_a_value_of_another_type_or_against_its_pattern_is_not_published(written, field):
    """The whole value must match."""
    verdict, result = extracted(written, f"it is {written} .", **field)
    assert reasons(verdict) == [(Doubt.NOT_A_VALUE, "value")]
    assert (result.value, result.written) == (None, written)


def test_no_value_is_a_reason_only_where_it_is_required():
    """Most messages name no order."""
    assert isinstance(extracted(None, "hello")[0], Labelled)
    assert reasons(extracted(None, "hello", required=True)[0]) == [(Doubt.UNKNOWN, "value")]


def test_a_text_field_is_cut_to_its_length_and_never_grounded():
    """A summary is the model's own words."""
    verdict = judged(task({"summary": {"kind": "text", "max_chars": 5}}), written={"summary": "own words"}, text="other")
    assert isinstance(verdict, Labelled)
    assert verdict.fields["summary"].value == "own w"
    needed = task({"summary": {"kind": "text", "required": True}})
    assert reasons(judged(needed, written={"summary": None})) == [(Doubt.UNKNOWN, "summary")]


class Refund(BaseModel):
    """A user's model with a rule over two fields."""

    intent: str | None
    amount: dict[str, str] | None

    @model_validator(mode="after")
    def _amount_with_intent(self):
        if self.intent == "cancel" and self.amount is None:
            raise ValueError("a cancellation names an amount")
        return self


class Explosive(BaseModel):
    """A user's model whose validator has a bug."""

    @model_validator(mode="before")
    @classmethod
    def _explode(cls, _values):
        raise ZeroDivisionError("a bug, with my secret")


class Strict(BaseModel):
    """A user's model that knows another type."""

    intent: int


FIELDS = {"intent": INTENT, "amount": AMOUNT}


def with_model(model, amount=None):
    return judged(
        task(FIELDS),
        {"intent": "cancel"},
        {"amount": amount},
        text=amount or "",
        signals={"intent": sure(1)},
        user_code=UserCode(model),
    )


def test_a_users_model_may_veto():
    """Its error is a reason; its agreement is silent."""
    assert isinstance(with_model(Refund, "EUR 5"), Labelled)
    assert reasons(with_model(Refund)) == [(Doubt.CHECK_FAILED, None)]
    assert reasons(with_model(Strict)) == [(Doubt.CHECK_FAILED, "intent")]


def test_a_users_model_that_raises_escalates_and_quotes_nothing():
    """No message is lost to a bug, and no text reaches a reason."""
    verdict = with_model(Explosive)
    assert verdict.reasons == (Reason(Doubt.CHECK_FAILED, None, "Explosive raised ZeroDivisionError"),)


def test_escalations_carry_the_best_answer():
    """The values that are believed, although the whole is not."""
    verdict = judged(task(FIELDS), {"intent": "track"}, {"amount": "EUR 5"}, text="EUR 5", signals={"intent": sure(0.2)})
    assert reasons(verdict) == [(Doubt.LOW_CONFIDENCE, "intent")]
    assert verdict.fields["intent"].value == "track"
    assert verdict.fields["amount"].value == {"amount": "5.00", "currency": "EUR"}
