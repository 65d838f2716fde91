"""Whom a request means, and under which keys their events stand."""

import orjson
import pytest
from typer.testing import CliRunner

from schemas.context import ContextRule
from topics.record import Partition, Record
from workers.cli import app
from workers.exits import UserError
from workers.forgetting.request import Request
from workers.forgetting.traces import Conversations, Traces
from workers.stateful.keeper import keeper_of
from workers.taskfiles import load_task

TASK = load_task("support_tickets").task
SOURCE = TASK.source.model_copy(
    update={"text": "body", "id": "id", "tenant": "shop", "key": None, "metadata": {"who": "who", "thread": "thread"}}
)
LABELLED = min(TASK.routes.labelled_topics())


def traces(name=b"anna", tenant=None, customer=True, conversation=None):
    rule = ContextRule(topic="said", customer="who", conversation=conversation)
    task = TASK.model_copy(update={"source": SOURCE, "context": rule})
    return Traces(task, rule, Request(name, tenant, customer, "r-1", 1_000))


def event(key, tenant=None, topic=LABELLED, partition=0, **metadata):
    value = orjson.dumps({"message": {"id": "m", "tenant": tenant, "metadata": metadata}})
    return Record(Partition(topic, partition), 0, key, value, (), 0)


def test_a_request_holds_no_byte_of_a_name_and_a_customer_is_no_conversation_of_that_name():
    """Nor is he the customer of another tenant."""
    requests = [traces(b"anna", tenant, customer).request for tenant in (None, "a", "b") for customer in (True, False)]
    assert len({request.digest for request in requests}) == 6
    assert not any(b"anna" in request.body() for request in requests)


def test_a_key_is_theirs_while_its_newest_event_is():
    """A tombstone would else take another's event along; an older event goes at the next compaction anyway."""
    found = traces()
    found.see([event(b"k1", who="anna"), event(b"k2", who="anna"), event(b"k3", who="bert"), event(b"k1")])
    found.see([event(b"k2", who="bert"), event(b"k3", who="anna"), event(b"k4", who="anna", partition=2)])
    found.see([event(b"k4", who="anna")._replace(value=None), event(b"k5", "shop", who="anna"), event(None, who="anna")])
    assert found.keys(LABELLED) == [(0, b"k3"), (2, b"k4")]


@pytest.mark.parametrize(
    ("key", "value", "theirs"),
    [
        (b"k", {"who": "anna", "body": " "}, True),
        (b"k", {"who": "anna", "body": "hello"}, True),
        (b"k", ["anna"], False),
        (b"k", {"who": "bert", "body": "hello anna"}, False),
        (b"anna", {"who": "bert", "body": "hello"}, False),
    ],
)
def test_a_dead_letter_is_read_as_what_it_was(key, value, theirs):
    """Its value is the record's own; a text is not needed."""
    found = traces()
    found.see([Record(Partition(TASK.routes.dead, 0), 0, key, orjson.dumps(value), (), 0)])
    assert bool(found.keys(TASK.routes.dead)) == theirs


@pytest.mark.parametrize(
    "value", [b"", b"{", b"[]", b'{"message":[]}', b'{"message":{"metadata":[]}}', b'{"message":{"tenant":{}}}']
)
def test_whatever_stands_in_a_topic_is_read_past(value):
    """Of what is no event only the key is known: that of a conversation which is named by it."""
    found, by_key = traces(), traces(customer=False)
    for one in (found, by_key):
        one.see([event(b"anna")._replace(value=value)])
    assert (found.keys(LABELLED), by_key.keys(LABELLED)) == ([], [] if b"tenant" in value else [(0, b"anna")])


def test_a_conversation_that_a_field_names_is_found_under_any_key():
    """Its events have the keys of its messages."""
    found = traces(b"t-1", customer=False, conversation="thread")
    found.see([event(b"k1", thread="t-1"), event(b"k2", thread="t-2"), event(b"t-1"), event(b"k3", thread="t-1")])
    assert found.keys(LABELLED) == [(0, b"k1"), (0, b"k3")]


def test_what_others_said_in_a_customer_s_conversations_is_found_too():
    """Known by the window that is kept, or by another event of the conversation."""
    mine = traces()
    keeper = keeper_of(mine.task, mine.rule)
    said = keeper.turn(Record(Partition("in", 0), 0, b"c-1", b'{"id":"1","body":"hello","who":"anna"}', (), 0))
    window = Record(Partition("said", 0), 0, b"c-1", keeper.after(None, (), said), (), 0)
    events = [event(b"c-1"), event(b"c-2", who="anna"), event(b"c-2"), event(b"c-3")]
    first = Conversations(mine.task, mine.rule, mine.request)
    first.see([window, window._replace(key=b"c-3", value=b"{}"), window._replace(key=b"c-3", value=None), *events])
    found = Traces(mine.task, mine.rule, mine.request, frozenset(first.digests))
    found.see(events)
    assert found.keys(LABELLED) == [(0, b"c-1"), (0, b"c-2")]


def test_a_task_that_maps_no_customer_can_forget_none(tmp_path):
    """One sentence says what to add."""
    text = load_task("support_tickets").path.read_text(encoding="utf-8").replace("examples: examples.jsonl", "")
    file = tmp_path / "task.yaml"
    file.write_text(text + "context: {topic: said}\n", encoding="utf-8")
    done = CliRunner().invoke(app, ["forget", "anna", "--customer", "--task", str(file)])
    assert isinstance(done.exception, UserError)
    assert "add `customer: FIELD` to its context" in str(done.exception)
