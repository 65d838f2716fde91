"""Check digits tell one wrong digit and two that changed places."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.checkdigits import Scheme, digits_right

RIGHT = [
    (Scheme.LUHN, "4111 1111 1111 1111"),
    (Scheme.LUHN, "5500-0000-0000-0004"),
    (Scheme.LUHN, "79927398713"),
    (Scheme.LUHN, "490154203237518"),
    (Scheme.MOD97_FRONT, "GB82 WEST 1234 5698 7654 32"),
    (Scheme.MOD97_FRONT, "de89370400440532013000"),
    (Scheme.MOD97_FRONT, "RF18 5390 0754 7034"),
    (Scheme.MOD97, "5493001KJTIIGC8Y1R12"),
]


@pytest.mark.parametrize(("scheme", "written"), RIGHT)
def test_published_numbers_are_right_and_with_any_one_digit_changed_they_are_not(scheme, written):
    """The examples of the standards: spaces, hyphens and small letters do not count."""
    assert digits_right(scheme, written)
    for place, char in enumerate(written):
        if char.isdigit():
            other = written[:place] + str((int(char) + 1) % 10) + written[place + 1 :]
            assert not digits_right(scheme, other)


@given(st.sampled_from(Scheme), st.text(max_size=200))
def test_any_text_is_answered(scheme, text):
    """Never an exception, never a yes for what has no digits."""
    if digits_right(scheme, text):
        assert any(char.isdigit() or char.isalpha() for char in text)


@given(st.text("0123456789", min_size=1, max_size=30))
def test_there_is_one_luhn_digit_for_every_number(digits):
    """Ten numbers differ in their last digit, and one of them is right."""
    assert sum(digits_right(Scheme.LUHN, digits + str(last)) for last in range(10)) == 1
