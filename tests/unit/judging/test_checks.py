"""Rule checks: each kind accepts, refuses, and leaves alone what it does not speak of."""

from decimal import Decimal

import hypothesis.strategies as st
import pytest
from hypothesis import given

from schemas.checkdigits import Scheme
from schemas.checks import CheckDigitCheck, FunctionCheck, OneOfCheck, RangeCheck, RequiresCheck
from schemas.verdict import Doubt, Reason
from workers.judging.checks import broken_rules, compile_rules


def broken(check, values, function=None, text=""):
    functions = {"mine:rule": function} if function is not None else {}
    return broken_rules(compile_rules([check], functions), values, text)


REQUIRES = RequiresCheck(check="requires", when="intent", labels=("refund", "cancel"), field="order_id")


@pytest.mark.parametrize(
    ("values", "accepted"),
    [
        ({"intent": "refund", "order_id": "7"}, True),
        ({"intent": "refund", "order_id": None}, False),
        ({"intent": "cancel"}, False),
        ({"intent": "refund", "order_id": 0}, True),
        ({"intent": "track", "order_id": None}, True),
        ({"intent": None, "order_id": None}, True),
        ({}, True),
    ],
)
def test_requires_asks_for_a_field_with_some_labels_only(values, accepted):
    """A refund needs its order; a question does not, and zero is a value."""
    found = broken(REQUIRES, values)
    assert [(r.doubt, r.field) for r in found] == ([] if accepted else [(Doubt.CHECK_FAILED, "order_id")])


@pytest.mark.parametrize(
    ("value", "accepted"),
    [("EUR", True), ("eur", True), ("Straße", True), ("STRASSE", True), ("USD", False), ("", False), (None, True), (7, True)],
)
def test_one_of_compares_without_case(value, accepted):
    """An unknown value is not a wrong one."""
    check = OneOfCheck(check="one_of", field="currency", values=("EUR", "Strasse", "7"))
    assert (broken(check, {"currency": value}) == []) == accepted


@pytest.mark.parametrize(
    ("value", "accepted"),
    [
        (0, True),
        (100, True),
        (-1, False),
        (101, False),
        ("0.00", True),
        ("100.00", True),
        ("100.000000000000000000001", False),
        ("-0.01", False),
        ({"amount": "50", "currency": "EUR"}, True),
        ({"amount": "500", "currency": "EUR"}, False),
        ({"currency": "EUR"}, True),
        (None, True),
        ("much", False),
        ("NaN", False),
        ("Infinity", False),
        ("-Infinity", False),
        ("sNaN", False),
    ],
)
def test_range_includes_its_ends_and_compares_exactly(value, accepted):
    """Decimals, not floats; money by its amount; no number at all is out."""
    check = RangeCheck(check="range", field="amount", least=0, most=100)
    assert (broken(check, {"amount": value}) == []) == accepted


def test_a_range_may_be_open_on_one_side():
    """Only the end that is named counts."""
    assert broken(RangeCheck(check="range", field="n", least=0.1), {"n": "0.1"}) == []
    assert broken(RangeCheck(check="range", field="n", least=0.1), {"n": Decimal("0.0999")}) != []
    assert broken(RangeCheck(check="range", field="n", most=5), {"n": -(10**17)}) == []


FUNCTION = FunctionCheck(check="function", function="mine:rule")


def test_a_users_function_sees_the_fields_and_the_text_and_may_object():
    """What it returns is the detail; None is agreement."""
    seen = []

    def rule(fields, text):
        seen.append((fields, text))
        return "no" if fields["intent"] == "cancel" else None

    assert broken(FUNCTION, {"intent": "track"}, rule, "text") == []
    assert broken(FUNCTION, {"intent": "cancel"}, rule, "text") == [Reason(Doubt.CHECK_FAILED, None, "no")]
    assert seen == [({"intent": "track"}, "text"), ({"intent": "cancel"}, "text")]


def test_a_users_function_that_raises_is_an_objection_that_quotes_nothing():
    """A bug in a check escalates a message and loses none."""

    def rule(_fields, text):
        raise RuntimeError(text)

    assert broken(FUNCTION, {}, rule, "my secret") == [Reason(Doubt.CHECK_FAILED, None, "mine:rule raised RuntimeError")]


def test_a_users_function_may_return_anything():
    """It becomes a short text, even if that fails."""

    class Rude:
        def __str__(self):
            raise ValueError

    assert broken(FUNCTION, {}, lambda *_: "x" * 9_999)[0].detail == "x" * 200
    assert broken(FUNCTION, {}, lambda *_: 7)[0].detail == "7"
    assert broken(FUNCTION, {}, lambda *_: Rude())[0].detail == "mine:rule raised ValueError"


def test_a_users_function_cannot_change_the_fields():
    """What it is given is its own copy."""
    values = {"intent": "cancel"}
    broken(FUNCTION, values, lambda fields, _: fields.clear())
    assert values == {"intent": "cancel"}


def test_every_broken_rule_is_told_in_order():
    """Not the first alone."""
    checks = [
        REQUIRES,
        OneOfCheck(check="one_of", field="currency", values=("EUR",)),
        RangeCheck(check="range", field="n", most=1),
    ]
    found = broken_rules(compile_rules(checks, {}), {"intent": "refund", "currency": "USD", "n": 2}, "")
    assert [r.field for r in found] == ["order_id", "currency", "n"]


VALUES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.decimals() | st.dictionaries(st.text(), st.text())
)


@given(st.dictionaries(st.sampled_from(["intent", "order_id", "currency", "amount"]), VALUES))
def test_rules_are_total(values):
    """Whatever a field holds, there is an answer and no exception."""
    checks = [
        REQUIRES,
        OneOfCheck(check="one_of", field="currency", values=("EUR",)),
        RangeCheck(check="range", field="amount", least=0, most=1),
    ]
    assert all(r.doubt is Doubt.CHECK_FAILED for r in broken_rules(compile_rules(checks, {}), values, ""))


@pytest.mark.parametrize(("value", "broken"), [("4111 1111 1111 1111", False), ("4111 1111 1111 1112", True), (None, False)])
def test_a_number_with_a_wrong_check_digit_was_miscopied(value, broken):
    """One that is unknown breaks nothing."""
    check = CheckDigitCheck(check="check_digit", field="card", scheme=Scheme.LUHN)
    found = broken_rules(compile_rules([check], {}), {"card": value}, "")
    assert [(reason.doubt, reason.field) for reason in found] == [(Doubt.CHECK_FAILED, "card")] * broken
