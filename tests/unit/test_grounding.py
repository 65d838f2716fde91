"""A value that is written otherwise in the text is found there by what it is, and none is found that is not there."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.fields import ExtractType
from schemas.grounding import written_for
from schemas.values import parse_value, stands_in

T = ExtractType


@pytest.mark.parametrize(
    ("type_", "text", "said", "stands"),
    [
        (T.DECIMAL, "I paid 1,234.50 for it.", "1234.50", "1,234.50"),
        (T.DECIMAL, "about 1234.5, I think", "1,234.50", "1234.5"),
        (T.INTEGER, "we are 1 200 people", "1,200", "1 200"),
        (T.MONEY, "charged (£1,234.50) twice", "1234.50 GBP", "£1,234.50"),
        (T.MONEY, "you owe me 12 euros!", "EUR 12.00", "12 euros"),
        (T.DATE, "it came on 15 November 2016.", "2016-11-15", "15 November 2016"),
        (T.CURRENCY, "paid in pounds", "GBP", None),
        (T.MONEY, "it was 12.50 then", "12.50 USD", None),
        (T.MONEY, "it was 12.50 EUR", "12.50 USD", None),
        (T.INTEGER, "order 41234 and 12.50", "12", None),
        (T.DECIMAL, "nothing here", "1", None),
        (T.DATE, "in 2016", "2016-11-15", None),
        (T.STRING, "the red one", "the  blue one", None),
    ],
)
def test_a_value_is_found_by_what_it_is(type_, text, said, stands):
    """Whatever the separators, the sign or the order of a date; another currency or a part of a number is another value."""
    value = parse_value(type_, said)
    found = None if value is None else written_for(type_, text, value)
    if type_ is T.CURRENCY:
        assert found is None or parse_value(type_, found) == value
    else:
        assert found == stands


@given(
    st.sampled_from(list(T)),
    st.text(max_size=80) | st.text("0123456789.,-/ £$EURGBP", max_size=60),
    st.text("0123456789.,-/ £EUR", max_size=12),
)
def test_what_is_found_stands_in_the_text_and_is_the_value(type_, text, said):
    """For any text and any answer."""
    value = parse_value(type_, said)
    if value is None:
        return
    found = written_for(type_, text, value)
    if found is not None:
        assert stands_in(text, found)
        assert parse_value(type_, found) is not None


def test_a_long_text_is_not_searched_for_ever():
    """Of a hundred thousand words the first ones are read."""
    started = time.process_time()
    assert written_for(T.MONEY, "1,2 " * 100_000, {"amount": "7.77", "currency": "EUR"}) is None
    assert time.process_time() - started < 2.0
