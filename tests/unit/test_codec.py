"""The codec: a task's mapping, path by path, and the reason for each record that is no message."""

import orjson
import pytest

from schemas.message import Message
from schemas.priority import Priority
from schemas.task import Source
from schemas.verdict import Refusal
from topics.codec import Codec, Undecodable
from topics.record import Partition, Record

FULL = Source.model_validate(
    {
        "topic": "in",
        "text": "ticket.body",
        "id": "ticket.id",
        "key": "customer.number",
        "tenant": "shop",
        "metadata": {"channel": "via", "priority": "ticket.priority"},
        "max_bytes": 2_000,
    }
)
BODY = {
    "ticket": {"body": "Where is it?", "id": 17, "priority": 2.5},
    "customer": {"number": "c-9"},
    "shop": "north",
    "via": "mail",
}


def record(value, key=b"k", offset=5):
    return Record(Partition("in", 3), offset, key, value, (), 1)


def decoded(body, source=FULL, **of_record):
    return Codec(source).decode(record(body if isinstance(body, bytes | None) else orjson.dumps(body), **of_record))


def test_every_path_of_the_mapping_is_read():
    """Nested paths, numbers as text, the key of the events from the body."""
    assert decoded(BODY) == Message("Where is it?", "17", b"c-9", "north", {"channel": "mail", "priority": "2.5"})


@pytest.mark.parametrize("number", [2**63, 2**64 - 1, 2**64, 10**24 + 1, -(2**63) - 1, 10**200 + 7])
def test_a_whole_number_is_read_digit_by_digit(number):
    """However long: rounded, those of two customers would be one."""
    body = b'{"ticket": {"body": "Where?", "id": %d}, "customer": {"number": %d}, "shop": %d, "via": %d}' % ((number,) * 4)
    told = str(number)
    assert decoded(body) == Message("Where?", told, told.encode(), told, {"channel": told})
    assert Codec(FULL).without_text(record(body)) == Message("", told, told.encode(), told, {"channel": told})


@pytest.mark.parametrize(
    ("rule", "priority"),
    [
        ({"field": "channel", "high": ["mail"]}, Priority.HIGH),
        ({"field": "channel", "high": ["chat"], "low": ["mail"]}, Priority.LOW),
        ({"field": "channel", "high": ["chat"]}, Priority.NORMAL),
        ({"field": "priority", "high": ["2.5"]}, Priority.HIGH),
        ({"header": "tier", "high": ["gold"]}, Priority.HIGH),
        ({"header": "none", "high": ["gold"]}, Priority.NORMAL),
        (None, Priority.NORMAL),
    ],
)
def test_a_priority_is_read_from_metadata_or_a_header(rule, priority):
    """Values that are not listed, and records without the field or header, are normal."""
    source = Source.model_validate({**FULL.model_dump(), "priority": rule})
    given = record(orjson.dumps(BODY))._replace(headers=(("other", b"gold"), ("tier", b"gold"), ("tier", b"tin")))
    assert Codec(source).decode(given).priority is priority


def test_only_the_text_is_needed():
    """The id falls back to the record's place, the key to the record's."""
    assert decoded({"ticket": {"body": "x"}}) == Message("x", "in/3/5", b"k", None, {})
    assert decoded({"ticket": {"body": "x"}}, key=None).key is None


@pytest.mark.parametrize("value", [None, True, False, [], {}, {"a": 1}, ""])
def test_what_is_no_word_is_as_good_as_missing(value):
    """Ids, keys, tenants and metadata are words or numbers."""
    body = {"ticket": {"body": "x", "id": value, "priority": value}, "customer": {"number": value}, "shop": value, "via": value}
    assert decoded(body) == Message("x", "in/3/5", b"k", None, {})


def test_a_zero_is_a_word():
    """Customer 0 exists."""
    assert decoded({"ticket": {"body": "x", "id": 0}, "customer": {"number": 0.0}}) == Message("x", "0", b"0.0", None, {})


@pytest.mark.parametrize(
    "body", [[], 7, "x", b"null", {}, {"ticket": None}, {"ticket": []}, {"ticket": {"bodY": "x"}}, {"ticket.body": "x"}]
)
def test_a_path_that_leads_nowhere_is_no_text(body):
    """Whatever stands at any of its steps."""
    refused = decoded(body)
    assert (refused.refusal, "ticket.body" in refused.detail) == (Refusal.NO_TEXT, True)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (7, "int"),
        (None, "NoneType"),
        (["my secret"], "list"),
        ({"my secret": 1}, "dict"),
        ("", "blank"),
        (" \n\t\u3000", "blank"),
    ],
)
def test_a_text_that_is_none_is_refused_without_quoting_it(text, what):
    """The detail names the kind, never the content."""
    refused = decoded({"ticket": {"body": text}})
    assert refused.refusal is Refusal.NO_TEXT
    assert what in refused.detail
    assert "secret" not in refused.detail


@pytest.mark.parametrize(
    "value",
    [
        b"{",
        b"\xff\xfe",
        b"{'a': 1}",
        b"NaN",
        b"{} {}",
        b'{"ticket":{"body":"\\ud800"}}',
        b'"\xed\xa0\x80"',
        b"[" * 1_900,
        b"\x00\x00\x00\x01{}",
    ],
)
def test_what_is_no_json_in_utf_8_is_undecodable(value):
    """Half a value, another encoding, lone surrogates, endless nesting, a registry's magic bytes."""
    assert decoded(value) == Undecodable(Refusal.UNDECODABLE, "the value is not JSON in UTF-8")


def test_empty_and_missing_values_are_told_apart():
    """A tombstone is not an empty message."""
    assert decoded(None) == Undecodable(Refusal.EMPTY, "the record has no value")
    assert decoded(b"") == Undecodable(Refusal.EMPTY, "the record's value is empty")


def test_size_is_the_values_and_its_limit_included():
    """One byte more is too large, before anything is parsed."""
    fits = orjson.dumps({"ticket": {"body": "x" * (2_000 - len('{"ticket":{"body":""}}'))}})
    assert len(fits) == 2_000
    assert isinstance(decoded(fits), Message)
    assert decoded(fits + b" ").refusal is Refusal.TOO_LARGE
    assert decoded(b"{" * 2_001).refusal is Refusal.TOO_LARGE


TEXT = Source.model_validate({"topic": "in", "format": "text"})


def test_a_text_source_takes_the_value_as_it_is():
    """Also when it looks like JSON; white space is kept."""
    assert decoded(b' {"a": 1}\n', TEXT) == Message(' {"a": 1}\n', "in/3/5", b"k", None, {})
    assert decoded("Grüße 😀".encode(), TEXT).text == "Grüße 😀"


def test_a_text_source_refuses_bytes_and_blanks():
    """The place of the wrong byte is told, not the bytes."""
    assert decoded(b"ab\xff", TEXT) == Undecodable(Refusal.UNDECODABLE, "the value is not UTF-8 at byte 2")
    assert decoded(b" \n", TEXT).refusal is Refusal.NO_TEXT
