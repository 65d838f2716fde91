"""Extraction by rules: the right value, exactly as written, or nothing."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.fields import ExtractType
from schemas.values import parse_value, stands_in
from workers.modelserver.extraction import extract
from workers.modelserver.extraction.statement_line import essence
from workers.modelserver.labeller import ExtractQuestion

ORDER = ExtractQuestion("order_id", ExtractType.STRING, "[0-9]{8,15}", "Number of an order or purchase.")
INVOICE = ExtractQuestion("invoice_id", ExtractType.STRING, "#?[0-9]{5}", "Number of an invoice or bill.")
LINE = "2016-11-15 pearson ed ltd 74.70 GBP"


def of_type(kind, text):
    return extract(ExtractQuestion("value", kind), text)


@pytest.mark.parametrize(
    ("question", "text", "value"),
    [
        (ORDER, "how can I cancel purchase 113542617735902?", "113542617735902"),
        (ORDER, "I want to cancel order 00123842, how could I do it?", "00123842"),
        (ORDER, "my invoice 12345678 is wrong", None),
        (ORDER, "my invoice 12345678 is for order 87654321", "87654321"),
        (ORDER, "it is 12345678", "12345678"),
        (ORDER, "order 1234567890123456", None),
        (INVOICE, "want help looking for the invoice #00108", "#00108"),
        (INVOICE, "i need to check my bill #85632, the order is 12345", "#85632"),
        (INVOICE, "cancel order 12345", None),
        (INVOICE, "refund of $12345 please", None),
        (ExtractQuestion("ticket_no", ExtractType.STRING), "about ticket AB-1234 and order 77", "AB-1234"),
        (ExtractQuestion("ticket_no", ExtractType.STRING), "nothing here", None),
        (ExtractQuestion("bad", ExtractType.STRING, "(a+)+$"), "aaaa", None),
        (ExtractQuestion("people", ExtractType.INTEGER, None, "Number of people."), "a table with people 4 at 19", "4"),
    ],
)
def test_references_belong_to_their_words(question, text, value):
    """A number is taken by the field whose words stand before it, and by no other."""
    assert extract(question, text) == value


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (ExtractType.MONEY, "I have paid $160 for this order", "$160"),
        (ExtractType.MONEY, "I expect a compensation of 350 dollars", "350 dollars"),
        (ExtractType.MONEY, "you took 1,234.50 EUR on 3 May 2024", "1,234.50 EUR"),
        (ExtractType.MONEY, "I have 3 cards and 2 accounts", None),
        (ExtractType.DECIMAL, "the rate was 1.0842", "1.0842"),
        (ExtractType.CURRENCY, "top up in euros or in JPY", "euros"),
        (ExtractType.CURRENCY, "let me try all of it", None),
        (ExtractType.DATE, "paid on 3rd May 2024, not before", "3rd May 2024"),
        (ExtractType.DATE, "since 2016-11-15.", "2016-11-15"),
        (ExtractType.DATE, "version 10.20.30", None),
        (ExtractType.EMAIL, "write to <anna.smith@mail.example.com>.", "anna.smith@mail.example.com"),
        (ExtractType.PHONE, "call me on +44 20 7946 0958 please", "+44 20 7946 0958"),
        (ExtractType.PHONE, "cancel order 113542617735902", None),
        (ExtractType.IBAN, "to GB82 WEST 1234 5698 7654 32 TODAY", "GB82 WEST 1234 5698 7654 32"),
        (ExtractType.IBAN, "to GB82 WEST 1234 5698 7654 33", None),
        (ExtractType.PERSON, "can you get the invoice from Ms. Hawkings?", "Ms. Hawkings"),
        (ExtractType.PERSON, "my bills from Anna Freeman", "Anna Freeman"),
        (ExtractType.PERSON, "my name is Anna and I want help", "Anna"),
        (ExtractType.PERSON, "Can I cancel my Premium account?", None),
        (ExtractType.ORGANISATION, "a transfer to Acme Trading Ltd failed", "Acme Trading Ltd"),
        (ExtractType.ORGANISATION, "where is my card", None),
    ],
)
def test_values_are_known_by_their_shape(kind, text, value):
    """Each type finds its value in a sentence, and nothing where there is none."""
    assert of_type(kind, text) == value


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (ExtractType.ORGANISATION, "pearson ed ltd"),
        (ExtractType.DECIMAL, "74.70"),
        (ExtractType.MONEY, "74.70 GBP"),
        (ExtractType.CURRENCY, "GBP"),
        (ExtractType.DATE, "2016-11-15"),
    ],
)
def test_a_statement_line_is_taken_apart(kind, value):
    """A bank line's parts are its date, who was paid, the amount and the currency."""
    assert of_type(kind, LINE) == value
    assert essence(LINE) == "pearson ed ltd"


def test_a_card_reference_is_no_merchant():
    """The merchant is what remains when the card's reference is removed; a minus stays with the amount."""
    line = "2017-01-02 card 86efb5f62e argos retail -12.00 GBP"
    assert of_type(ExtractType.ORGANISATION, line) == "argos retail"
    assert of_type(ExtractType.DECIMAL, line) == "-12.00"


@given(st.text(max_size=200), st.sampled_from(list(ExtractType)))
def test_what_is_found_stands_in_the_text(text, kind):
    """For any text, a value is a part of it; of the types with a normal form it has one."""
    value = of_type(kind, text)
    if value is not None:
        assert value in text
        if kind is not ExtractType.STRING:
            assert parse_value(kind, value) is not None


@pytest.mark.parametrize(
    "text", [LINE, "pay Acme Ltd 12.50 EUR", "bill #12345 of 3 May 2024 to a.b@c.org", "from Mr. Smith, $299"]
)
def test_what_is_found_is_grounded(text):
    """The worker's own check finds every value that is extracted from ordinary texts."""
    found = [value for kind in ExtractType if (value := of_type(kind, text)) is not None]
    assert found
    assert all(stands_in(text, value) for value in found)


@pytest.mark.parametrize("unit", ["1", "A ", "Aa ", "1 ", "1.", "a@", "GB82 ", "(1", "$", "2016-11-15 x "])
def test_hostile_texts_cost_little(unit):
    """Long repetitive texts take less than a second for all types together."""
    text = (unit * 20_000)[:20_000]
    started = time.process_time()
    for kind in ExtractType:
        of_type(kind, text)
    assert time.process_time() - started < 1.0
