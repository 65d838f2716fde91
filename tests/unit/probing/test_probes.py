"""Probes: what marks them, what is expected of them, and what becomes of them."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.task import Task
from tests.fakes.scripted_model import ScriptedModel
from tests.unit.test_pipeline import TASK, House, labels
from topics.record import Partition, Record
from workers.exits import UserError
from workers.probing.book import Book, Found, Outcome, Sent
from workers.probing.items import Item, items_of, value_of
from workers.probing.marks import ATTRIBUTE, HEADER, Marks

PLACE = Partition("in", 1)
MARKS = Marks(b"secret")
ITEM = Item(text="cancel order 1000", expect={"intent": "cancel"})


def record(value, *headers):
    return Record(PLACE, 7, b"k", value, headers, 0)


@given(st.binary(), st.binary(min_size=1), st.text("abc-123", min_size=1))
def test_a_mark_holds_for_its_text_and_its_key_alone(value, other, probe_id):
    """Not for another text, another id, another key, and not for bytes that somebody made up."""
    name, content = MARKS.header(probe_id, value)
    assert MARKS.probe_of(record(value, (name, content))) == probe_id
    assert MARKS.probe_of(record(value + other, (name, content))) is None
    assert MARKS.probe_of(record(value, (name, b"x" + content))) is None
    assert MARKS.probe_of(record(value, (name, other))) is None
    assert Marks(b"other").probe_of(record(value, (name, content))) is None
    assert MARKS.probe_of(record(value)) is None


LABELS = {"intent": "cancel"}


@pytest.mark.parametrize(
    ("found", "outcome"),
    [
        (Found("labelled", LABELS), Outcome.RIGHT),
        (Found("labelled", {"intent": "track"}), Outcome.WRONG),
        (Found("labelled", {}), Outcome.WRONG),
        (Found("escalated", LABELS), Outcome.ESCALATED),
        (Found("dead", {}), Outcome.DEAD),
    ],
)
def test_an_event_is_judged_by_what_was_expected(found, outcome):
    """And what is expected to be escalated may be."""
    book = Book(10.0)
    book.send(Sent("p", ITEM, PLACE, 1.0))
    result = book.take("p", found, 3.5)
    assert (result.outcome, result.seconds, book.waiting) == (outcome, 2.5, 0)
    wanted = Item(text="x", expect={"intent": "cancel"}, outcome="escalated")
    book.send(Sent("q", wanted, PLACE, 1.0))
    assert (book.take("q", found, 2.0).outcome is Outcome.RIGHT) == (found.kind == "escalated")


def test_missing_late_doubled_and_foreign_probes():
    """Each is told once, and those of another prober not at all."""
    book = Book(10.0)
    book.send(Sent("p", ITEM, PLACE, 0.0))
    assert list(book.overdue(10.0)) == []
    assert [result.outcome for result in book.overdue(10.1)] == [Outcome.MISSING]
    assert list(book.overdue(99.0)) == []
    right = Found("labelled", LABELS)
    assert [book.take("p", right, now).outcome for now in (11.0, 12.0)] == [Outcome.LATE, Outcome.DOUBLED]
    assert book.take("foreign", right, 1.0) is None


def test_a_book_remembers_so_many_and_no_more():
    """Without an end of an outage its memory ends; then nothing more is sent."""
    book = Book(10.0, most=3)
    for number in range(3):
        book.send(Sent(f"p{number}", ITEM, PLACE, 0.0))
    assert book.full
    assert len(list(book.overdue(11.0))) == 3
    book.send(Sent("last", ITEM, PLACE, 11.0))
    book.take("last", Found("labelled", LABELS), 12.0)
    assert book.take("p0", Found("labelled", LABELS), 12.0) is None


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "line 2 is no"),
        ('{"text": "x"}', "line 2 is no"),
        ('{"text": "x", "expect": {}}', "expects nothing"),
        ('{"expect": {"intent": "cancel"}}', "needs `text` or `value`"),
        ('{"text": "x", "expect": {"mood": "good"}}', "is no label field"),
        ('{"text": "x", "expect": {"intent": "fly"}}', "none of its labels"),
    ],
)
def test_a_line_that_cannot_be_meant_is_refused(line, said):
    """With its number and one sentence."""
    good = b'{"text": "x", "expect": {"intent": null}}'
    assert len(items_of([good, b""], "probes", TASK)) == 1
    with pytest.raises(UserError, match=said):
        items_of([good, line.encode()], "probes", TASK)
    with pytest.raises(UserError, match="holds no probe"):
        items_of([b""], "probes", TASK)


def test_a_probe_says_its_text_and_never_its_answer():
    """At the place where the task's source has it."""
    assert value_of(ITEM, TASK) == orjson.dumps({"body": "cancel order 1000"})
    deep = Task.model_validate(TASK.model_dump() | {"source": {"topic": "in", "text": "a.b"}})
    assert orjson.loads(value_of(ITEM, deep)) == {"a": {"b": "cancel order 1000"}}
    assert b"cancel" not in value_of(Item(value={"body": "x"}, expect={"intent": "cancel"}), TASK)


async def test_a_probes_event_says_so_and_nobody_counts_it(monkeypatch):
    """Only with the right mark; a message with a made-up one is a message like any other."""
    monkeypatch.setenv("NANOTRIAGE_PROBE__MARK_KEY", "secret")
    house = House(ScriptedModel(labels), **{"delivery.summary_topic": "sums"})
    house.cluster.create("sums", 1)
    value = value_of(ITEM, TASK)
    house.cluster.produce("in", b"k", value, (MARKS.header("p-1", value),))
    house.cluster.produce("in", b"k", value, ((HEADER, b"p-2.0123"),))
    house.cluster.produce("in", b"k", b"{", (MARKS.header("p-3", b"{"),))
    house.send("where is order 1234")
    async with house.working():
        await house.settled(4)
    events = [dict(event.headers).get(ATTRIBUTE) for event in house.events("labelled")]
    assert sorted(events, key=str) == [None, None, b"p-1"]
    (dead,) = house.events("dead")
    assert dict(dead.headers)[ATTRIBUTE] == b"p-3"
    counted = [orjson.loads(record.value)["rows"][0]["sums"]["messages"] for record in house.events("sums")]
    assert sum(counted) == 2
