from decimal import Decimal

import pytest

from schemas.currencies import MINOR_UNITS, SHARED_SIGNS, SIGNS
from schemas.fields import ExtractType
from schemas.values import parse_value, stands_in

VALUES = [
    ("integer", "12 000", 12000),
    ("integer", "1,234", 1234),
    ("integer", "-5", -5),
    ("integer", "1.0", None),
    ("integer", "9007199254740992", None),
    ("decimal", "1,234.56", "1234.56"),
    ("decimal", "1.234,56", "1234.56"),
    ("decimal", "12 000", "12000"),
    ("decimal", "12\u202f000,50", "12000.50"),
    ("decimal", "12\u2019000.50", "12000.50"),
    ("decimal", "12,34,567.5", "1234567.5"),
    ("decimal", "-231.95", "-231.95"),
    ("decimal", "\u2212231.95", "-231.95"),
    ("decimal", "(12.30)", "-12.30"),
    ("decimal", "12-", "-12"),
    ("decimal", "-0.00", "0.00"),
    ("decimal", "1,234", "1234"),
    ("decimal", "1.234", "1.234"),
    ("decimal", "1,23", "1.23"),
    ("decimal", ".5", "0.5"),
    ("decimal", "1.2.3", None),
    ("decimal", "12 34", None),
    ("decimal", "1e5", None),
    ("decimal", "9" * 31, None),
    ("money", "£12.3", {"amount": "12.30", "currency": "GBP"}),
    ("money", "12.30 gbp", {"amount": "12.30", "currency": "GBP"}),
    ("money", "€ 1.234,50", {"amount": "1234.50", "currency": "EUR"}),
    ("money", "1499 dollars", {"amount": "1499.00", "currency": "USD"}),
    ("money", "$.50", {"amount": "0.50", "currency": "USD"}),
    ("money", "$12 CAD", {"amount": "12.00", "currency": "CAD"}),
    ("money", "$12 EUR", None),
    ("money", "¥1200", {"amount": "1200", "currency": "JPY"}),
    ("money", "JPY 100.00", {"amount": "100", "currency": "JPY"}),
    ("money", "JPY 1.50", None),
    ("money", "KWD 1.234", {"amount": "1.234", "currency": "KWD"}),
    ("money", "1.149 GBP", None),
    ("money", "-£5", {"amount": "-5.00", "currency": "GBP"}),
    ("money", "£-5", {"amount": "-5.00", "currency": "GBP"}),
    ("money", "($5)", {"amount": "-5.00", "currency": "USD"}),
    ("money", "12", {"amount": "12", "currency": None}),
    ("money", "GBP", None),
    ("money", "5 apples", None),
    ("money", "-$5-", None),
    ("currency", "gbp", "GBP"),
    ("currency", "€", "EUR"),
    ("currency", "XXX", None),
    ("currency", "DEM", None),
    ("date", "2016-11-15", "2016-11-15"),
    ("date", "2016-11-15T10:00:00Z", "2016-11-15"),
    ("date", "15/11/2016", "2016-11-15"),
    ("date", "11/15/2016", "2016-11-15"),
    ("date", "05/06/2016", None),
    ("date", "05/05/2016", "2016-05-05"),
    ("date", "5.6.2016", "2016-06-05"),
    ("date", "15 Nov 2016", "2016-11-15"),
    ("date", "15-Nov-2016", "2016-11-15"),
    ("date", "Tuesday, 15th of November 2016", "2016-11-15"),
    ("date", "Nov. 15, 2016", "2016-11-15"),
    ("date", "15/11/16", None),
    ("date", "31/02/2016", None),
    ("date", "15 Foo 2016", None),
    ("email", "A.b@Example.ORG", "A.b@example.org"),
    ("email", "a@b", None),
    ("email", "a..b@c.de", None),
    ("email", "a@b@c.de", None),
    ("phone", "+44 (0)20 7946 0958", "+442079460958"),
    ("phone", "0121 303 1111", "01213031111"),
    ("phone", "123456", None),
    ("phone", "1" * 16, None),
    ("iban", "GB82 WEST 1234 5698 7654 32", "GB82WEST12345698765432"),
    ("iban", "de89 3704 0044 0532 0130 00", "DE89370400440532013000"),
    ("iban", "GB82WEST12345698765433", None),
    ("person", "  Mr.\n Smith ", "Mr. Smith"),
    ("organisation", "B & Q", "B & Q"),
    ("string", " \t", None),
    ("string", "a\x00b", None),
    ("string", "\ud800", None),
    ("string", "a" * 1025, None),
]


@pytest.mark.parametrize(("kind", "written", "value"), VALUES)
def test_a_value_has_one_normal_form_or_is_unknown(kind, written, value):
    """What people write becomes one form, and what could be two things is unknown."""
    assert parse_value(ExtractType(kind), written) == value


GROUNDED = [
    ("pay 12.50.", "12.50", True),
    ("pay 12.50", "12", False),
    ("pay 12.50", "50", False),
    ("4123", "12", False),
    ("order732", "732", False),
    ("x12 12", "12", True),
    ("refunding$299", "$299", True),
    ("from Mr.  SMITH!", "mr. smith", True),
    ("\uff11\uff12 items", "12", True),
    ("価格412円", "412", True),
    ("北京我", "我", True),
    ("cafe\u0301 x", "caf", False),
    ("refund A$12.00 please", "$12.00", False),
    ("refund A$12.00 please", "A$12.00", True),
    ("R$12", "$12", False),
    ("they paid$12 and us£12", "$12", True),
    ("visa$12", "$12", True),
    ("US $12 or 12€", "12€", True),
    ("anything", "", False),
    ("anything", " ", False),
]


@pytest.mark.parametrize(("text", "written", "stands"), GROUNDED)
def test_a_grounded_value_is_whole_tokens_of_the_text(text, written, stands):
    """Case, width and spacing may differ; half a number or half a word does not stand there."""
    assert stands_in(text, written) is stands


def test_the_worst_texts_are_decided_at_once():
    """Texts made to be slow, of 100,000 characters, take time in proportion to their length."""
    assert not stands_in("xa" + "a" * 100_000, "a" * 1_000)
    assert not stands_in("ab " * 33_000, ("ab " * 300)[:-2])
    assert not stands_in("a" + "\u0301\u0323" * 50_000, "b")
    for kind in ExtractType:
        for text in ("9" * 1_024, "1," * 512, "-" * 1_024, "a@" * 512, "1 " * 512, "a\u0301\u0323" * 300, " " * 100_000):
            parse_value(kind, text)


def test_currency_tables_agree():
    """Every sign means an active code, and a shared sign can stand for each code beside it."""
    assert len(MINOR_UNITS) == 165
    assert set(SIGNS.values()) <= set(MINOR_UNITS)
    assert all(codes <= set(MINOR_UNITS) and SIGNS[sign] in codes for sign, codes in SHARED_SIGNS.items())
    assert (MINOR_UNITS["GBP"], MINOR_UNITS["JPY"], MINOR_UNITS["KWD"]) == (2, 0, 3)


def test_an_amount_is_the_same_number_as_written():
    """Normalising changes the writing of an amount, never its value."""
    for written, amount in (("£1,234.5", "1234.5"), ("12'000 CHF", "12000"), ("EUR 0,05", "0.05")):
        value = parse_value(ExtractType.MONEY, written)
        assert isinstance(value, dict)
        assert Decimal(str(value["amount"])) == Decimal(amount)
