"""Conditions on dead letters: what they select, and the one sentence for what cannot be understood."""

import contextlib
import operator

import hypothesis.strategies as st
import pytest
from hypothesis import given

from schemas.verdict import Refusal
from tests.unit.deadletters.world import NOW_MS, dead_outgoing, record_of, source_record
from topics.record import Outgoing
from workers.deadletters.letters import parse
from workers.deadletters.where import Where, WhereRefused, parse_where

HOUR_MS = 3_600_000
LETTER = parse(
    record_of(
        dead_outgoing(source_record(offset=17, headers=(("nt_replay", b"2"),)), Refusal.UNDECODABLE), 5, NOW_MS - HOUR_MS, 3
    )
)


@pytest.mark.parametrize(
    ("text", "selected"),
    [
        ("reason=undecodable", True),
        ("reason!=undecodable", False),
        ("reason = empty", False),
        ("source=in", True),
        ("source=in/2", True),
        ("source=in/2/17", True),
        ("source=in/2/1", False),
        ("source=i", False),
        ("source!=other", True),
        ("partition=3", True),
        ("offset>=5", True),
        ("offset<5", False),
        ("attempts!=2", False),
        ("replays>1", True),
        ("age<1h", False),
        ("age<=1h", True),
        ("age>59m", True),
        ("age>=3600s", True),
        ("age<1d", True),
    ],
)
def test_a_condition_selects_what_it_says(text, selected):
    """For each field and comparison."""
    assert parse_where([text]).selects(LETTER, NOW_MS) is selected


@given(st.sampled_from(["partition", "offset", "attempts", "replays"]), st.integers(0, 10))
def test_numbers_compare_as_numbers(field, number):
    """All six comparisons are those of arithmetic."""
    has = {"partition": 3, "offset": 5, "attempts": 2, "replays": 2}[field]
    meant = {"=": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
    for text, comparison in meant.items():
        assert parse_where([f"{field}{text}{number}"]).selects(LETTER, NOW_MS) is comparison(has, number)


def test_all_conditions_must_hold_and_none_selects_everything():
    """As the help says."""
    assert parse_where(["reason=undecodable", "age<2h"]).selects(LETTER, NOW_MS)
    assert not parse_where(["reason=undecodable", "age<1m"]).selects(LETTER, NOW_MS)
    assert Where().selects(LETTER, NOW_MS)


def test_a_number_the_letter_does_not_tell_meets_no_condition():
    """Not even `!=`: what is not known is neither."""
    letter = dead_outgoing(source_record())
    headers = tuple((name, value) for name, value in letter.headers if name != "nt_attempts")
    silent = parse(record_of(Outgoing("dead", None, b"", headers)))
    assert not any(parse_where([f"attempts{c}2"]).selects(silent, NOW_MS) for c in ("=", "!=", "<", ">"))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "is no condition"),
        ("reason", "is no condition"),
        ("reason=", "is no condition"),
        ("reason==x", "no reason =x"),
        ("raeson=empty", "did you mean reason"),
        ("colour=red", "use one of reason, source"),
        ("reason=undecodeable", "did you mean undecodable"),
        ("reason=zzz", "use one of undecodable"),
        ("reason<empty", "compared with = or !="),
        ("offset=many", "whole number"),
        ("offset=-1", "whole number"),
        ("offset=²", "whole number"),
        ("age<1", "s, m, h or d"),
        ("age<1w", "s, m, h or d"),
        ("age=1h", "nothing is exactly so old"),
    ],
)
def test_what_cannot_be_understood_is_refused_in_a_sentence(text, sentence):
    """It says what is wrong with which condition."""
    with pytest.raises(WhereRefused) as refused:
        parse_where(["reason=empty", text])
    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)


@given(st.text())
def test_the_parser_is_total(text):
    """Any text is a condition or refused."""
    with contextlib.suppress(WhereRefused):
        parse_where([text]).selects(LETTER, NOW_MS)
