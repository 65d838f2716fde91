import json
from datetime import date
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from schemas.currencies import MINOR_UNITS
from schemas.fields import ExtractType
from schemas.values import parse_value, stands_in

ANY = st.text(st.characters(codec=None), max_size=80)
LIKELY = st.text("0123456789.,-+' ()£$€¥@/:abGBPEURnov\u0301\u2212\ud800\n", max_size=40)
WORDS = st.lists(st.text("abz019.-", min_size=1, max_size=6), min_size=1, max_size=8)


@given(st.sampled_from(ExtractType), ANY | LIKELY)
def test_any_text_becomes_json_or_nothing(kind, written):
    """No text makes normalising fail, and every value can be written as UTF-8 JSON."""
    value = parse_value(kind, written)
    assert value is None or json.dumps(value, ensure_ascii=False).encode()


@given(st.sampled_from(ExtractType), ANY | LIKELY)
def test_a_normal_form_is_its_own_normal_form(kind, written):
    """Normalising twice changes nothing."""
    value = parse_value(kind, written)
    if value is None:
        return
    again = f"{value['amount']} {value['currency'] or ''}" if isinstance(value, dict) else str(value)
    assert parse_value(kind, again) == value


@given(st.decimals(-(10**12), 10**12, places=2), st.sampled_from(["{:.2f}", "{:,.2f}"]))
def test_numbers_survive_both_ways_of_grouping(number, style):
    """English and continental writing of a number both give the number."""
    english = style.format(number)
    continental = english.translate(str.maketrans(",.", ".,"))
    for written in (english, continental):
        value = parse_value(ExtractType.DECIMAL, written)
        assert isinstance(value, str)
        assert Decimal(value) == number


@given(st.integers(-(10**15), 10**15), st.sampled_from(sorted(MINOR_UNITS)))
def test_money_has_the_digits_of_its_currency(minor, code):
    """An amount in whole minor units is kept exactly, with as many decimals as the currency has."""
    digits = MINOR_UNITS[code]
    amount = Decimal(minor).scaleb(-digits)
    for written in (f"{amount:.{digits}f} {code}", f"{code} {amount:.{digits}f}"):
        assert parse_value(ExtractType.MONEY, written) == {"amount": f"{amount:.{digits}f}", "currency": code}


@given(st.dates(min_value=date(1000, 1, 1)))
def test_unambiguous_writings_of_a_date_are_that_date(day):
    """ISO, month names and dotted dates give the day; slashes give it or nothing."""
    for style in ("%Y-%m-%d", "%d %B %Y", "%b %d, %Y", "%d.%m.%Y", "%A, %d-%b-%Y"):
        assert parse_value(ExtractType.DATE, day.strftime(style)) == day.isoformat()
    slashed = parse_value(ExtractType.DATE, day.strftime("%d/%m/%Y"))
    assert slashed == (day.isoformat() if day.day > 12 or day.day == day.month else None)


@given(st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", min_size=11, max_size=30), st.integers(0, 9))
def test_one_wrong_digit_of_an_iban_is_found(account, wrong):
    """The check digits accept what was computed and refuse any other last digit (ISO 7064)."""
    digits = "".join(str(int(char, 36)) for char in account + "GB00")
    iban = f"GB{98 - int(digits) % 97:02d}{account}"
    assert parse_value(ExtractType.IBAN, iban) == iban
    if iban[-1].isdigit() and int(iban[-1]) != wrong:
        assert parse_value(ExtractType.IBAN, f"{iban[:-1]}{wrong}") is None


@given(WORDS, WORDS, WORDS)
def test_words_of_a_text_stand_in_it(before, words, after):
    """Whole words stand in the text, in any case and spacing."""
    text = " ".join([*before, *words, *after])
    assert stands_in(text, "  ".join(words).upper())


@given(st.text("0123456789", min_size=1, max_size=6), st.text("0123456789abc", min_size=1, max_size=3))
def test_a_part_of_a_number_does_not_stand_in_it(number, more):
    """Digits glued to letters or digits are not the number itself."""
    assert not stands_in(f"x {more}q{number} y", number) or number in more
    assert stands_in(f"x {number}/{more} y", number)


@given(st.text("a1Z., -/\t\n\x1c", max_size=12), st.text("a1z., -", max_size=3))
def test_characters_beyond_ascii_elsewhere_change_nothing(text, written):
    """A plain text is compared on a shorter way; one further word takes the longer one, to the same answer."""
    assert stands_in(text, written) == stands_in(f"{text} \u00e9", written)


@given(ANY, ANY)
def test_grounding_any_two_texts_gives_an_answer(text, written):
    """No pair of texts makes the comparison fail, and what stands in a text is a part of it after folding."""
    if stands_in(text, written):
        assert stands_in(f"{text} . ", written)
