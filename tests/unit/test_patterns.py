import re
from time import perf_counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.patterns import MATCHED_CHARS, matches, unsafe_pattern

SAFE = [
    r"[0-9]{8,15}",
    r"#?[0-9]{5}",
    r"ORD-[0-9]+-[0-9]+-[a-z]+",
    r"(INV|ORD|PO)-?\d+",
    r"(?:[a-z]+\.)+[a-z]+",
    r"[^@\s]+@[^@\s]+",
    r"(?i)inv-?\d+",
    r"[A-Z]{2}\d{2}( ?[A-Z0-9]{4}){2,7}( ?[A-Z0-9]{1,3})?",
    r".*x.*",
    r"(?a)\w+-\d+-\d+ [^\s]+",
    r"^\bfoo\b$",
]
BOMBS = [
    r"(a+)+$",
    r"(a|aa)+$",
    r"(a|ab?)*c",
    r"(?:a?){25}a{25}",
    "a?" * 25 + "a" * 25,
    "(?:a|aa)" * 20,
    r"(a*)*",
    r".*.*.*x",
    r"(x+x+)+y",
    r"(.*a){11}",
    r"(?>(a+)+)b",
    r"(?:(a+)+)++x",
    r"(?i:(k+\u212a+))*x",
    r"(?a)(?:\Wa?|é)*",
    r"(?a:(?:[^\w]a?|é)*)b",
    r"(?:(?:\b){65535}){65535}",
    r"(.+)\1",
    r"(?=a*)b",
    r"(?<!a)b",
    r"((?:b.)?)?c",
]


@pytest.mark.parametrize("pattern", SAFE)
def test_ordinary_patterns_are_safe(pattern):
    """Numbers, codes, addresses and account numbers can be described."""
    assert unsafe_pattern(pattern) is None


@pytest.mark.parametrize("pattern", BOMBS)
def test_bombs_are_refused(pattern):
    """A pattern that some text makes backtrack for ever is refused with a reason."""
    assert unsafe_pattern(pattern)


@pytest.mark.parametrize("pattern", ["[", "(", "a{3,1}", "(?P<a>x)(?P<a>y)"])
def test_what_is_no_pattern_is_refused(pattern):
    """The reason quotes what the regular expression compiler says."""
    assert "is not a regular expression (" in str(unsafe_pattern(pattern))


def test_a_pattern_matches_the_whole_of_a_value_of_bounded_length():
    """A value with a right start is not right, and a longer one than is allowed is none."""
    assert matches("[0-9]{5}", "12345")
    assert not matches("[0-9]{5}", "12345 ")
    assert not matches("a*", "a" * (MATCHED_CHARS + 1))


PIECES = st.sampled_from(["a", "b", ".", "[ab]", "[^a]", r"\w", "c"])
REPEATS = st.sampled_from(["*", "+", "?", "{2}", "{1,3}", "{0,40}", "*?", "{3,}", "{25}", "*+"])
PATTERNS = st.recursive(
    PIECES,
    lambda inner: st.one_of(
        st.builds("{}{}".format, inner, inner),
        st.builds("(?:{}|{})".format, inner, inner),
        st.builds("(?:|{})".format, inner),
        st.builds("(?:{}){}".format, inner, REPEATS),
    ),
    max_leaves=12,
)


@given(PATTERNS)
@settings(max_examples=300)
def test_every_pattern_let_through_answers_at_once(pattern):
    """Whatever is let through decides the worst of short texts in less than a second."""
    if len(pattern) > 200 or unsafe_pattern(pattern):
        return
    for text in ("a" * MATCHED_CHARS, "a" * 255 + "!", "ab" * 127 + "!", "aab" * 85 + "!", "b" * 255 + "!"):
        started = perf_counter()
        matches(pattern, text)
        assert perf_counter() - started < 1


@given(st.text(max_size=60))
def test_any_text_gets_an_answer(pattern):
    """The check is total: any text is safe or refused, and what is safe compiles."""
    if unsafe_pattern(pattern) is None:
        re.compile(pattern)
