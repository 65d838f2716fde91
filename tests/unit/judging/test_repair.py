"""Repair: what is asked again, what the model is told of it, and what is kept of an imperfect answer."""

import pytest

from schemas.task import Task
from schemas.verdict import Band, Doubt, Escalated, Labelled, Reason
from workers.judging.reading import Imperfect, Read, Unread
from workers.judging.repair import RULE_BROKEN, Again, settle
from workers.judging.verdicts import Judge, UserCode

TASK = Task.model_validate(
    {
        "name": "tickets",
        "source": {"topic": "in", "text": "body"},
        "instructions": "Label the tickets.",
        "fields": {
            "intent": {"kind": "label", "labels": {"cancel": "", "track": ""}},
            "order_id": {"kind": "extract", "pattern": "[0-9]+"},
            "amount": {"kind": "extract", "type": "money"},
        },
        "checks": [{"check": "range", "field": "amount", "most": 100}],
        "routes": {"labelled": "labelled", "escalated": "escalated", "dead": "dead"},
    }
)
JUDGE = Judge(TASK, UserCode())
TEXT = "Cancel order 123, I paid EUR 50 and EUR 500"


def read(intent="cancel", order_id="123", amount=None, band=Band.HIGH):
    return Read({"intent": intent}, {"order_id": order_id, "amount": amount}, band, 0)


def settled(reading, *, repair=True):
    return settle(JUDGE, TEXT, reading, "", repair=repair)


@pytest.mark.parametrize("why", Unread)
def test_what_cannot_be_read_is_asked_again_with_one_sentence(why):
    """Nothing is kept of it."""
    outcome = settled(why, repair=False)
    assert isinstance(outcome, Again)
    assert (outcome.why, len(outcome.wrong), outcome.best) == (why.value, 1, None)


@pytest.mark.parametrize(
    ("reading", "said"),
    [
        (read(order_id="999"), "order_id: the value does not stand in the text exactly as written; use null if none does"),
        (read(order_id="paid"), "order_id: against its pattern"),
        (read(amount="EUR 500"), "amount: it is out of range"),
    ],
)
def test_a_broken_rule_is_asked_again_once_and_the_escalation_is_kept(reading, said):
    """The model is told the field and the rule, no text is quoted; when repair is over the escalation stands."""
    outcome = settled(reading)
    assert isinstance(outcome, Again)
    assert (outcome.why, outcome.wrong) == (RULE_BROKEN, (said,))
    assert settled(reading, repair=False) == outcome.best


@pytest.mark.parametrize("reading", [read(), read(intent=None), read(band=Band.LOW), read(amount="EUR 50")])
def test_nothing_else_is_asked_again(reading):
    """A doubt is no violation: asking again would only make the model sound surer."""
    assert isinstance(settled(reading), Labelled | Escalated)


def test_an_imperfect_answer_is_escalated_with_what_was_read():
    """Its invalid field is unknown and doubted once; everything else that is wrong is told, too."""
    wrong = (Reason(Doubt.INVALID_ANSWER, "intent", "is not one of its codes"),)
    outcome = settled(Imperfect(read(intent=None, amount="EUR 500"), wrong), repair=False)
    assert isinstance(outcome, Again)
    assert outcome.wrong == ("intent: is not one of its codes", "amount: it is out of range")
    assert isinstance(outcome.best, Escalated)
    assert outcome.best.fields["order_id"].value == "123"
    assert [(r.doubt, r.field) for r in outcome.best.reasons] == [
        (Doubt.INVALID_ANSWER, "intent"),
        (Doubt.CHECK_FAILED, "amount"),
    ]
