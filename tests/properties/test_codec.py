"""Decoding is total: any record is a message or says why not, and a message can always be published."""

import hypothesis.strategies as st
import orjson
import pytest
from hypothesis import given

from schemas.message import Message
from schemas.task import Source
from topics.codec import Codec, Undecodable
from topics.record import Partition, Record

PATHS = st.sampled_from(["a", "a.b", "a.b.c", "b", "ü.0"])
SOURCES = st.builds(
    lambda text, id_, key, tenant, metadata: Source.model_validate(
        {"topic": "in", "text": text, "id": id_, "key": key, "tenant": tenant, "metadata": metadata, "max_bytes": 500}
    ),
    PATHS,
    st.none() | PATHS,
    st.none() | PATHS,
    st.none() | PATHS,
    st.dictionaries(st.sampled_from(["m", "n"]), PATHS),
) | st.just(Source.model_validate({"topic": "in", "format": "text"}))
NAMES = st.sampled_from(["a", "b", "c", "ü", "0"])
LEAVES = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text()
JSON = st.recursive(LEAVES, lambda c: st.lists(c, max_size=3) | st.dictionaries(NAMES, c, max_size=4))
VALUES = st.none() | st.binary(max_size=600) | JSON.map(orjson.dumps) | st.text().map(lambda t: t.encode("utf-16"))
KEYS = st.none() | st.binary(max_size=10)


@given(SOURCES, VALUES, KEYS)
def test_any_record_is_a_message_or_says_why_not(source, value, key):
    """No value, mapping or nesting raises; what is decoded has a text and an id, and goes back to bytes."""
    found = Codec(source).decode(Record(Partition("in", 0), 7, key, value, (), 0))
    if isinstance(found, Undecodable):
        assert found.detail
        return
    assert isinstance(found, Message)
    assert found.text.strip()
    assert found.id
    assert found.key is None or isinstance(found.key, bytes)
    assert found.tenant is None or found.tenant
    assert orjson.dumps([found.text, found.id, found.tenant, found.metadata])


@given(SOURCES, JSON, KEYS)
def test_decoding_is_the_same_each_time(source, body, key):
    """A record that is read again after a crash is the same message."""
    record = Record(Partition("in", 0), 7, key, orjson.dumps(body), (), 0)
    assert Codec(source).decode(record) == Codec(source).decode(record)


@given(st.text(), st.text(), st.binary(max_size=10))
@pytest.mark.parametrize("depth", [1, 2, 5])
def test_the_text_is_found_wherever_its_path_leads(depth, text, identity, key):
    """What a sender put there arrives unchanged."""
    body: object = {"text": text, "id": identity}
    for _ in range(depth):
        body = {"in": body}
    path = "in." * depth
    source = Source.model_validate({"topic": "in", "text": f"{path}text", "id": f"{path}id"})
    found = Codec(source).decode(Record(Partition("in", 0), 7, key, orjson.dumps(body), (), 0))
    if text.strip():
        assert found == Message(text, identity or "in/0/7", key, None, {})
    else:
        assert isinstance(found, Undecodable)
