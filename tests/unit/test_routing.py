"""Events: valid against the published schemas, named the same each time, and always publishable in the end."""

import itertools
import json
import uuid
from pathlib import Path

import hypothesis.strategies as st
import orjson
import pytest
from hypothesis import given
from jsonschema import Draft202012Validator

from schemas.events import NAMESPACE, EventIds, EventKind
from schemas.message import Message
from schemas.task import Task
from schemas.verdict import (
    Assurance,
    Band,
    ClaimedConfidence,
    Confidence,
    Doubt,
    Escalated,
    FieldResult,
    Labelled,
    NotScored,
    Reason,
    Refusal,
    Rejected,
    SignalKind,
)
from topics.record import Outgoing, Partition, Record
from workers.routing import AnsweredBy, Router, Shrinker, dead_topics

ROOT = Path(__file__).parents[2]
SCHEMAS = {
    kind: Draft202012Validator(json.loads((ROOT / "schemas" / "published" / f"{kind}.v1.json").read_text(encoding="utf-8")))
    for kind in ("labelled", "escalated")
}
RAW_TASK = {
    "name": "tickets",
    "version": 3,
    "source": {"topic": "in", "text": "body"},
    "instructions": "Label the tickets.",
    "fields": {
        "intent": {"kind": "label", "labels": {"cancel": "", "track": ""}},
        "amount": {"kind": "extract", "type": "money"},
    },
    "routes": {"labelled": "labelled", "escalated": "escalated", "dead": "dead"},
}
TASK = Task.model_validate(RAW_TASK)
ROUTER = Router(TASK, "cluster/1")
BY = AnsweredBy("nano", "abc", "def", "req-1", 4)
RECORD = Record(
    Partition("in", 2),
    41,
    b"k",
    b'{"body": "x"}',
    (("traceparent", b"00-1-2-03"), ("x", b"\xff"), ("x", b"again")),
    1_700_000_000_123,
)
MESSAGE = Message("cancel please", "id-1", b"customer", None, {"channel": "mail"})
FIELDS = {
    "intent": FieldResult("cancel", Confidence(0.91234567, 0.99, 4, 0)),
    "amount": FieldResult({"amount": "5.00", "currency": "EUR"}, None, "5 EUR"),
}


def answered(verdict, record=RECORD, message=MESSAGE, router=ROUTER):
    event = router.answered(verdict, record, message, BY, place=1, attempts=2)
    return event, orjson.loads(event.value), dict(event.headers)


def escalated(fields=FIELDS, *reasons):
    return Escalated(fields, reasons or (Reason(Doubt.UNKNOWN, "intent", "detail"),))


def test_a_labelled_event_says_everything_about_its_message():
    """Value by value."""
    event, value, headers = answered(Labelled(FIELDS))
    SCHEMAS["labelled"].validate(value)
    assert (event.topic, event.key) == ("labelled", b"customer")
    assert value == {
        "event": "nanotriage.labelled.v1",
        "task": "tickets",
        "task_version": 3,
        "message": {"id": "id-1", "tenant": None, "metadata": {"channel": "mail"}},
        "source": {"topic": "in", "partition": 2, "offset": 41, "timestamp_ms": 1_700_000_000_123},
        "fields": {
            "intent": {"value": "cancel", "confidence": 0.912346, "signal": "logprobs"},
            "amount": {"value": {"amount": "5.00", "currency": "EUR"}, "confidence": None, "written": "5 EUR"},
        },
        "provenance": {
            "model": "nano",
            "prompt": "abc",
            "reply_schema": "def",
            "request_id": "req-1",
            "batch_size": 4,
            "place": 1,
            "attempts": 2,
        },
    }
    assert headers == {
        "ce_specversion": b"1.0",
        "ce_id": EventIds("cluster/1", "in", 2).of(41, EventKind.LABELLED).encode(),
        "ce_source": b"/nanotriage/tickets",
        "ce_type": b"nanotriage.labelled.v1",
        "content-type": b"application/json",
        "nt_topic": b"in",
        "nt_partition": b"2",
        "nt_offset": b"41",
        "nt_attempts": b"2",
        "nt_model": b"nano",
        "nt_prompt": b"abc",
        "traceparent": b"00-1-2-03",
    }


def test_an_escalated_event_has_the_text_and_the_reasons():
    """For whoever looks at it next."""
    event, value, headers = answered(
        escalated(FIELDS, Reason(Doubt.LOW_CONFIDENCE, "intent", "0.5"), Reason(Doubt.CHECK_FAILED, None))
    )
    SCHEMAS["escalated"].validate(value)
    assert event.topic == "escalated"
    assert headers["ce_type"] == b"nanotriage.escalated.v1"
    assert value["text"] == "cancel please"
    assert value["reasons"] == [
        {"reason": "low_confidence", "field": "intent", "detail": "0.5"},
        {"reason": "check_failed", "field": None, "detail": ""},
    ]


SIGNALS = (
    st.none()
    | st.builds(NotScored, st.text())
    | st.builds(ClaimedConfidence, st.sampled_from(Band))
    | st.builds(Confidence, st.floats(0, 1), st.floats(0, 1), st.just(4), st.just(0))
)
VALUES = (
    st.none() | st.text() | st.integers(-(2**53), 2**53) | st.fixed_dictionaries({"amount": st.text(), "currency": st.text()})
)
RESULTS = st.dictionaries(
    st.sampled_from(["intent", "amount"]),
    st.builds(FieldResult, VALUES, SIGNALS, st.none() | st.text(), st.none() | st.floats(0, 1)),
)
REASONS = st.lists(st.builds(Reason, st.sampled_from(Doubt), st.none() | st.text(), st.text()), min_size=1).map(tuple)
MESSAGES = st.builds(
    Message,
    st.text(),
    st.text(min_size=1),
    st.none() | st.binary(),
    st.none() | st.text(min_size=1),
    st.dictionaries(st.text(), st.text()),
    context=st.none(),
)


@given(RESULTS, REASONS, MESSAGES)
def test_every_verdict_makes_a_valid_event(fields, reasons, message):
    """Against the JSON Schemas that are published for consumers, whatever values and texts there are."""
    SCHEMAS["labelled"].validate(answered(Labelled(fields), message=message)[1])
    SCHEMAS["escalated"].validate(answered(Escalated(fields, reasons), message=message)[1])


def test_the_published_schemas_refuse_what_is_no_event():
    """They have teeth: a confidence above one, an unknown reason, a missing part, a foreign word."""
    _, value, _ = answered(escalated())
    wrong = [
        value | {"fields": {"intent": {"value": "cancel", "confidence": 1.5}}},
        value | {"reasons": [{"reason": "whim"}]},
        value | {"reasons": []},
        {k: v for k, v in value.items() if k != "source"},
        value | {"more": 1},
        value | {"event": "nanotriage.labelled.v1"},
    ]
    assert [SCHEMAS["escalated"].is_valid(w) for w in wrong] == [False] * len(wrong)


def test_a_stated_band_is_no_confidence():
    """Nor is a missing one: a consumer cannot take either for a probability."""
    _, value, _ = answered(
        Labelled({"intent": FieldResult("cancel", ClaimedConfidence(Band.HIGH)), "amount": FieldResult(None, NotScored("x"))})
    )
    assert value["fields"]["intent"] == {"value": "cancel", "confidence": None, "signal": "band", "band": "high"}
    assert value["fields"]["amount"] == {"value": None, "confidence": None}


def test_an_assurance_is_published_with_its_calibration():
    """Beside the field's own probability; a task without a promise says nothing of it."""
    fields = {"intent": FieldResult("cancel", Confidence(0.9, 1.0, 1, 0), probability=0.98765432)}
    assurance = Assurance(0.9, 0.98765432, SignalKind.LOGPROBS, "cafe")
    value = orjson.loads(ROUTER.answered(Labelled(fields, assurance), RECORD, MESSAGE, BY, place=0, attempts=1).value)
    SCHEMAS["labelled"].validate(value)
    expected = {"score": 0.9, "probability": 0.987654, "signal": "logprobs", "calibration": "cafe"}
    assert (value["assurance"], value["fields"]["intent"]["probability"]) == (expected, 0.987654)
    plain = orjson.loads(ROUTER.answered(Labelled(FIELDS), RECORD, MESSAGE, BY, place=0, attempts=1).value)
    assert "assurance" not in plain


def test_event_ids_are_the_same_each_time_and_nobody_elses():
    """By cluster and epoch, topic, partition, offset and kind; not by content or time."""
    places = list(itertools.product(("a/1", "a/2", "b/1"), ("in", "in2"), (0, 1, 11), (0, 1, 10), EventKind))
    names = [f"{stream}/{topic}/{partition}/{offset}/{kind}/1" for stream, topic, partition, offset, kind in places]
    ids = {EventIds(*partition).of(offset, kind) for *partition, offset, kind in places}
    assert len(ids) == 3 * 2 * 3 * 3 * 3
    assert ids == {str(uuid.uuid5(NAMESPACE, name)) for name in names}, "as RFC 9562 makes them"
    made = [answered(Labelled(FIELDS))[2]["ce_id"], answered(escalated())[2]["ce_id"], dict(dead().headers)["ce_id"]]
    assert len(set(made)) == 3
    assert answered(Labelled({}))[2]["ce_id"] == made[0]


def test_labels_may_have_topics_of_their_own():
    """A label without one, and an unknown label, go to `otherwise`."""
    routes = {"labelled": {"field": "intent", "topics": {"cancel": "cancellations"}, "otherwise": "rest"}}
    task = Task.model_validate(RAW_TASK | {"routes": RAW_TASK["routes"] | routes})
    router = Router(task, "c/1")
    topics = [answered(Labelled({"intent": FieldResult(label)}), router=router)[0].topic for label in ("cancel", "track", None)]
    assert topics == ["cancellations", "rest", "rest"]
    assert answered(escalated(), router=router)[0].topic == "escalated"
    assert dead_topics(task) == dict.fromkeys(["cancellations", "rest", "escalated", "dead"], "dead")


def test_a_dead_letter_names_who_was_asked_if_anybody_was():
    """Model and prompt stand in headers; a trace is passed on as it came, and none is invented."""
    plain = Record(Partition("in", 0), 0, None, b"v", (), -1)
    asked = dict(ROUTER.dead(Rejected(Refusal.NO_VALID_ANSWER), plain, attempts=2, by=BY).headers)
    assert (asked["nt_model"], asked["nt_prompt"]) == (BY.model.encode(), BY.prompt_hash.encode())
    assert not {"nt_model", "nt_prompt", "traceparent", "tracestate"} & dict(dead(plain).headers).keys()


def dead(record=RECORD, refusal=Refusal.NO_TEXT, detail="the text is blank"):
    return ROUTER.dead(Rejected(refusal, detail), record, attempts=0)


def test_a_dead_letter_is_the_record_itself_and_why():
    """Its key, its bytes, its headers in order and doubled as they were, and what is known of it."""
    event = dead()
    assert (event.topic, event.key, event.value) == ("dead", RECORD.key, RECORD.value)
    assert [(n, v) for n, v in event.headers if n.startswith("orig_")] == [
        ("orig_traceparent", b"00-1-2-03"),
        ("orig_x", b"\xff"),
        ("orig_x", b"again"),
    ]
    headers = dict(event.headers)
    assert headers["ce_type"] == b"nanotriage.dead.v1"
    assert headers["content-type"] == b"application/octet-stream"
    assert headers["nt_reason"] == b"no_text"
    assert headers["nt_detail"] == b"the text is blank"
    assert headers["nt_timestamp_ms"] == b"1700000000123"
    assert (headers["nt_topic"], headers["nt_partition"], headers["nt_offset"]) == (b"in", b"2", b"41")


@given(st.none() | st.binary(), st.none() | st.binary(), st.lists(st.tuples(st.text(), st.binary())).map(tuple), st.text())
def test_any_record_can_be_a_dead_letter(key, value, headers, detail):
    """Null values stay null; a sentence of any length or content fits a header."""
    event = dead(Record(Partition("in", 0), 0, key, value, headers, -1), detail=detail * 50)
    assert (event.key, event.value) == (key, value)
    assert len(dict(event.headers)["nt_detail"]) <= 1_000


def size(event):
    return len(event.key or b"") + len(event.value or b"") + sum(len(n.encode()) + len(v) for n, v in event.headers)


SHRINKER = Shrinker(dead_topics(TASK))
BYTES = st.integers(0, 200_000).map(lambda n: b"x" * n)
HEADERS = st.lists(st.tuples(st.text(max_size=10), BYTES), max_size=5).map(tuple)


@given(st.none() | BYTES, st.none() | BYTES, HEADERS, st.sampled_from(["dead", "labelled", "escalated"]), st.text(max_size=900))
def test_shrinking_always_ends_with_an_event_for_the_record(key, value, headers, kind, detail):
    """Each step of a dead letter is smaller than the one before, and the last one is a few names, whatever it was."""
    record = Record(Partition("in", 2), 41, key, value, headers, 1)
    event = dead(record, detail=detail)
    if kind != "dead":
        verdict = Labelled(FIELDS) if kind == "labelled" else escalated()
        event = ROUTER.answered(verdict, record, MESSAGE, BY, place=0, attempts=1)
        event = SHRINKER(Outgoing(event.topic, key, value, event.headers))
    steps = [event]
    while (smaller := SHRINKER(steps[-1])) != steps[-1]:
        assert size(smaller) < size(steps[-1])
        steps.append(smaller)
        assert len(steps) <= 6
    last = dict(steps[-1].headers)
    assert size(steps[-1]) < 400
    assert {e.topic for e in steps} == {"dead"}
    for step in steps:
        names = dict(step.headers)
        assert (names["nt_topic"], names["nt_partition"], names["nt_offset"]) == (b"in", b"2", b"41")
        assert names["ce_type"] == b"nanotriage.dead.v1"
        assert names["nt_reason"] in {b"no_text", b"event_too_large"}
    assert last["ce_id"] == dict(event.headers)["ce_id"]


def test_a_large_dead_letter_keeps_the_beginning_of_its_value():
    """64 KiB, and the size and hash of all of it; its headers go with the rest."""
    big = Record(Partition("in", 2), 41, b"k", b"y" * 100_000, RECORD.headers, 1)
    cut = SHRINKER(dead(big))
    headers = dict(cut.headers)
    assert cut.value == b"y" * 65_536
    assert cut.key == b"k"
    assert headers["nt_cut_bytes"] == b"100000"
    assert len(headers["nt_cut_sha256"]) == 64
    assert not any(name.startswith("orig_") for name in headers)
    gone = SHRINKER(cut)
    assert gone.value is None
    assert (dict(gone.headers)["nt_cut_bytes"], dict(gone.headers)["nt_cut_sha256"]) == (b"100000", headers["nt_cut_sha256"])


def test_a_dead_letter_that_only_has_large_headers_keeps_its_value():
    """What is at fault goes first."""
    heavy = Record(Partition("in", 2), 41, b"k", b"small", (("h", b"z" * 1_000_000),), 1)
    cut = SHRINKER(dead(heavy))
    assert cut.value == b"small"
    assert "nt_cut_bytes" not in dict(cut.headers)
    assert size(cut) < 1_000


@pytest.mark.parametrize("verdict", [Labelled(FIELDS), escalated()])
def test_an_answered_event_that_is_too_large_becomes_a_dead_letter(verdict):
    """With the reason, the key, and what its value was."""
    event = answered(verdict)[0]
    cut = SHRINKER(event)
    headers = dict(cut.headers)
    assert (cut.topic, cut.key, cut.value) == ("dead", b"customer", None)
    assert (headers["ce_type"], headers["nt_reason"]) == (b"nanotriage.dead.v1", b"event_too_large")
    assert headers["nt_cut_bytes"] == str(len(event.value)).encode()
