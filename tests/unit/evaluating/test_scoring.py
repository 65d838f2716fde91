"""Scores against cases counted by hand, and what must hold for any outcomes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.events import EventKind
from schemas.fields import ExtractField, ExtractType
from schemas.task import Task
from workers.evaluating.normal import normal_value
from workers.evaluating.outcome import Outcome
from workers.evaluating.report import as_json, tables
from workers.evaluating.scores import Share
from workers.evaluating.scoring import score

TASK = Task.model_validate(
    {
        "name": "tickets",
        "source": {"topic": "in", "text": "body", "id": "id"},
        "instructions": "Label.",
        "fields": {
            "intent": {"kind": "label", "labels": {"a": "one", "b": "two", "c": "three"}},
            "mood": {"kind": "sentiment"},
            "order": {"kind": "extract"},
            "sum": {"kind": "extract", "type": "money"},
            "summary": {"kind": "text"},
        },
        "routes": {"labelled": "l", "escalated": "e", "dead": "d"},
    }
)


def labelled(name, **fields):
    return Outcome(name, EventKind.LABELLED, fields, None)


def escalated(name, reason, **fields):
    return Outcome(name, EventKind.ESCALATED, fields, reason)


def dead(name, reason="empty"):
    return Outcome(name, EventKind.DEAD, {}, reason)


HAND = [
    labelled("1", intent="a", order="77"),
    labelled("2", intent="b", order=None),
    labelled("3", intent="b", order="12"),
    escalated("4", "low_confidence", intent="c", order=None),
    escalated("5", "unknown", intent=None, order=None),
    dead("6"),
    dead(None, "undecodable"),
]
HAND_GOLD = {
    "1": {"intent": "a", "order": "77"},
    "2": {"intent": "a", "order": "5"},
    "3": {"intent": "b"},
    "4": {"intent": "a"},
    "5": {"intent": "unknown"},
    "6": {"intent": "c"},
    "never sent": {"intent": "c"},
}


def test_a_case_counted_by_hand():
    """Seven records: accuracy, F1 of each class, coverage and reasons are those found with a pencil."""
    report = score(TASK, HAND_GOLD, HAND)
    assert (report.records, report.labelled, report.coverage) == (7, 3, 3 / 7)
    assert report.escalated == {"low_confidence": 1, "unknown": 1}
    assert report.dead == {"empty": 1, "undecodable": 1}
    assert report.without_gold == 1
    intent = report.labels["intent"]
    assert intent.labelled == Share(2, 3)
    assert intent.answered == Share(3, 5)
    found = {each.label: (each.precision, each.recall, each.f1) for each in intent.classes}
    assert found == {
        "a": (1.0, pytest.approx(1 / 3), 0.5),
        "b": (0.5, 1.0, pytest.approx(2 / 3)),
        "c": (0.0, None, 0.0),
        "unknown": (1.0, 1.0, 1.0),
    }
    assert intent.macro_f1 == pytest.approx((0.5 + 2 / 3 + 1) / 3)  # c is in no scored gold
    order = report.extracts["order"]
    assert (order.answered.gold, order.answered.found, order.answered.right, order.answered.same) == (2, 2, 1, 3)
    assert (order.labelled.precision, order.labelled.recall, order.labelled.of) == (0.5, 0.5, 3)


def test_what_gold_never_says_is_not_measured():
    """A field without a gold value anywhere has no score: an absent label is not a wrong one."""
    report = score(TASK, HAND_GOLD, HAND)
    assert set(report.labels) == {"intent"}
    assert set(report.extracts) == {"order"}


def test_nothing_measured_is_unknown_and_never_zero():
    """Without outcomes every share is None, and the JSON says null."""
    report = score(TASK, {"1": {"intent": "a"}}, [])
    assert report.coverage is None
    assert report.labels["intent"].macro_f1 is None
    shown = as_json(report)
    assert shown["labels"]["intent"]["answered"] == {"accuracy": None, "interval_95": None, "right": 0, "of": 0}
    assert tables(report)


LABELS = st.sampled_from(["a", "b", "c", None])
KINDS = st.sampled_from(list(EventKind))


@given(st.lists(st.tuples(KINDS, LABELS, LABELS), max_size=40))
def test_counts_add_up_for_any_outcomes(cases):
    """Every record is counted once; classes add up to all answers; the labelled are never more than the answered."""
    outcomes = [Outcome(str(i), kind, {"intent": given}, "r") for i, (kind, given, _) in enumerate(cases)]
    gold = {str(i): {"intent": wanted} for i, (_, _, wanted) in enumerate(cases)} or {"x": {"intent": "a"}}
    report = score(TASK, gold, outcomes)
    assert report.labelled + sum(report.escalated.values()) + sum(report.dead.values()) == len(cases)
    intent = report.labels["intent"]
    assert sum(c.support for c in intent.classes) == intent.answered.of == sum(c.answered for c in intent.classes)
    assert sum(c.right for c in intent.classes) == intent.answered.hits
    assert intent.labelled.of <= intent.answered.of
    assert intent.labelled.hits <= intent.answered.hits
    assert all(0 <= c.f1 <= 1 for c in intent.classes)


@given(st.lists(st.tuples(LABELS, LABELS), min_size=1, max_size=30))
def test_answers_equal_to_gold_are_perfect_and_swapped_ones_worthless(cases):
    """Gold as the answer scores 1 everywhere; an answer that never is the gold scores 0 everywhere."""
    wanted = [gold for gold, _ in cases]
    gold = {str(i): {"intent": label} for i, label in enumerate(wanted)}
    perfect = score(TASK, gold, [labelled(str(i), intent=label) for i, label in enumerate(wanted)]).labels["intent"]
    assert (perfect.labelled.value, perfect.answered.value, perfect.macro_f1) == (1, 1, 1)
    other = {"a": "b", "b": "c", "c": None, None: "a"}
    wrong = score(TASK, gold, [labelled(str(i), intent=other[label]) for i, label in enumerate(wanted)]).labels["intent"]
    assert (wrong.labelled.value, wrong.macro_f1) == (0, 0)


@pytest.mark.parametrize(
    ("type_", "gold", "published", "same"),
    [
        ("money", {"amount": "160.00", "currency": "USD"}, {"amount": "160.00", "currency": "USD"}, True),
        ("money", {"amount": "160", "currency": "USD"}, {"amount": "160.00", "currency": "USD"}, True),
        ("money", "$160", {"amount": "160.00", "currency": "USD"}, True),
        ("money", {"amount": "160.00", "currency": "USD"}, {"amount": "160.00", "currency": None}, False),
        ("money", {"amount": "160.00", "currency": "USD"}, {"amount": "16.00", "currency": "USD"}, False),
        ("decimal", "1000.00", "1000", True),
        ("decimal", 34.95, "34.95", True),
        ("decimal", "-34.95", "34.95", False),
        ("integer", 7, 7, True),
        ("date", "15 November 2016", "2016-11-15", True),
        ("string", "two  spaces", "two spaces", True),
        ("string", "77", "78", False),
        ("iban", "not an iban", "not an iban", True),
        ("currency", "pounds", "GBP", True),
    ],
)
def test_values_are_equal_when_they_mean_the_same(type_, gold, published, same):
    """Gold and event are compared in normal form, whatever way the gold file writes a value."""
    field = ExtractField(kind="extract", type=ExtractType(type_))
    assert (normal_value(field, gold) == normal_value(field, published)) is same
    assert normal_value(field, None) is None


@given(st.integers(0, 50), st.integers(0, 50))
def test_the_interval_holds_the_share(hits, misses):
    """Wilson's interval lies within [0, 1] around the share and narrows with more cases."""
    share = Share(hits, hits + misses)
    if not share.of:
        assert share.value is share.interval is None
        return
    low, high = share.interval
    assert 0 <= low <= share.value + 1e-12
    assert share.value - 1e-12 <= high <= 1
    wider = Share(hits * 4, share.of * 4).interval
    assert wider[1] - wider[0] <= high - low


def test_the_interval_is_wilsons():
    """8 of 10: 0.490 to 0.943, as in Newcombe (1998) style tables."""
    low, high = Share(8, 10).interval
    assert (round(low, 3), round(high, 3)) == (0.490, 0.943)
