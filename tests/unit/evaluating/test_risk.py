"""Risk and coverage, against curves drawn by hand and what holds for any answers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.events import EventKind
from workers.evaluating.outcome import Answered, Outcome
from workers.evaluating.page import page
from workers.evaluating.risk import area, field_risk, risk_coverage, risk_table, thinned
from workers.promising.threshold import Example

EXAMPLES = st.lists(st.builds(Example, st.sampled_from([0.1, 0.4, 0.5, 0.9, 0.99]), st.booleans()), min_size=1, max_size=60)


def answered(name, value, confidence, place=0, size=4, kind=EventKind.LABELLED):
    said = Answered((), {"intent": confidence} if confidence else {}, {}, None, "m", "p", "s", size, place)
    return Outcome(name, kind, {"intent": value}, None, said)


def test_the_curve_by_hand():
    """Four answers: the surest is wrong, two of equal confidence are accepted together, and the area is summed by steps."""
    points = risk_coverage(
        [Example(0.9, right=False), Example(0.8, right=True), Example(0.8, right=True), Example(0.1, right=False)]
    )
    assert [(p.confidence, p.coverage, p.risk) for p in points] == [(0.9, 0.25, 1.0), (0.8, 0.75, 1 / 3), (0.1, 1.0, 0.5)]
    assert area(points) == pytest.approx(0.25 * 1 + 0.5 / 3 + 0.25 * 0.5)
    assert area([]) is None


@given(EXAMPLES)
def test_the_curve_ends_with_everything(examples):
    """Coverage rises to 1, where the risk is the share of wrong answers; thinning keeps that point."""
    points = risk_coverage(examples)
    assert [p.coverage for p in points] == sorted({p.coverage for p in points})
    assert points[-1].coverage == pytest.approx(1)
    assert points[-1].risk == pytest.approx(sum(not one.right for one in examples) / len(examples))
    assert thinned(points, 2)[-1] == points[-1]


def test_answers_of_one_confidence_are_alike_in_every_bin():
    """Sixty of a hundred answers of one confidence are right: no bin of them has fewer or more, in whatever order they came."""
    gold = {str(number): {"intent": "a"} for number in range(100)}
    outcomes = [answered(str(number), "a" if number % 5 < 3 else "b", 0.8) for number in range(100)]
    bins = field_risk("intent", gold, outcomes).bins
    assert sum(one.count for one in bins) == 100
    assert {(round(one.confidence, 9), round(one.accuracy, 9)) for one in bins} == {(0.8, 0.6)}


def test_company_and_strangers_are_counted():
    """Right answers by place and size of the call; an unknown published under a label is told; dead ones take no part."""
    gold = {"1": {"intent": "a"}, "2": {"intent": "a"}, "3": {"intent": "unknown"}, "4": {"intent": None}, "5": {"intent": "a"}}
    outcomes = [
        answered("1", "a", 0.9, place=0),
        answered("2", "b", 0.8, place=1),
        answered("3", "a", 0.7, place=1, size=1),
        answered("4", None, None, kind=EventKind.ESCALATED),
        Outcome("5", EventKind.DEAD, {}, "empty"),
    ]
    risk = field_risk("intent", gold, outcomes)
    assert risk.scored == 3
    assert {place: (share.hits, share.of) for place, share in risk.by_place.items()} == {0: (2, 2), 1: (0, 2)}
    assert {size: (share.hits, share.of) for size, share in risk.by_batch_size.items()} == {1: (0, 1), 4: (2, 3)}
    assert (risk.out_of_scope.hits, risk.out_of_scope.of) == (1, 2)
    assert risk_table({"intent": risk})[2][0][-1] == "1 of 2"


def test_the_page_stands_alone_and_data_stay_text():
    """No script, no address, and a label that looks like markup is shown as it is."""
    gold = {str(n): {"intent": "a"} for n in range(40)}
    risk = field_risk("intent", gold, [answered(str(n), "a" if n % 3 else "b", n / 40 + 0.01, place=n % 4) for n in range(40)])
    html = page("Task <b>", ["A fact & more."], [("T", ("HEAD",), [["<script>alert(1)</script>"]])], {"intent": risk})
    assert html.count("<svg") == 3
    assert "<script" not in html
    assert "http" not in html
    assert "&lt;script&gt;" in html
    assert "A fact &amp; more." in html
