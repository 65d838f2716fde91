"""Reading pairs answers with messages exactly, whatever a model does to the refs."""

import hypothesis.strategies as st
import orjson
from hypothesis import given

from schemas.reply import CodeBook
from workers.judging.reading import Imperfect, Read, Reader, Unread

BOOK = CodeBook({"A": "alpha", "B": "beta", "Z": "unknown"}, {"alpha": "", "beta": ""})
READER = Reader({"intent": BOOK}, ["order_id"], banded=False)
REFS = ["r001", "r002", "r003", "r004", "r005"]
JSON = st.recursive(st.none() | st.booleans() | st.floats() | st.text(), lambda c: st.lists(c) | st.dictionaries(st.text(), c))


def item(ref, code="A", order="12"):
    return {"ref": ref, "intent": code, "order_id": order}


def reply(items):
    return orjson.dumps({"r": items}).decode()


@given(st.permutations(REFS), st.data())
def test_the_refs_decide_not_the_places(order, data):
    """Items may come in any order, and each message gets its own."""
    codes = {ref: data.draw(st.sampled_from("ABZ")) for ref in REFS}
    readings = READER.read(reply([item(ref, codes[ref], ref) for ref in order]), REFS, cut=False)
    for ref, reading in zip(REFS, readings, strict=True):
        assert reading.written["order_id"] == ref
        assert reading.labels["intent"] == {"A": "alpha", "B": "beta", "Z": None}[codes[ref]]
        assert order[reading.place] == ref


@given(st.lists(st.sampled_from([*REFS, "zzzz", "yyyy"]), max_size=12))
def test_missing_doubled_and_alien_refs_leave_only_their_own_unread(refs):
    """A message is read exactly when its ref stands in the answer once."""
    readings = READER.read(reply([item(ref) for ref in refs]), REFS, cut=False)
    assert len(readings) == len(REFS)
    for ref, reading in zip(REFS, readings, strict=True):
        expected = {0: Unread.MISSING, 1: Read}.get(refs.count(ref), Unread.DOUBLED)
        assert reading is expected or (isinstance(reading, Read) and expected is Read)


@given(st.one_of(st.text(), JSON.map(lambda v: orjson.dumps(v).decode()), st.lists(JSON).map(reply)), st.booleans())
def test_anything_at_all_gives_one_reading_each(content, cut):
    """Reading is total: noise is one `Unread` per message, never an exception."""
    readings = READER.read(content, REFS, cut=cut)
    assert len(readings) == len(REFS)


@given(st.data())
def test_a_cut_answer_keeps_its_complete_items(data):
    """Of an answer cut anywhere, exactly the items that were closed are read."""
    items = [orjson.dumps(item(ref, order='{"}\\"[')).decode() for ref in REFS]
    whole = '{"r":[' + ",".join(items) + "]}"
    length = data.draw(st.integers(0, len(whole) - 1))
    ends = [len('{"r":[' + ",".join(items[: i + 1])) for i in range(5)]
    readings = READER.read(whole[:length], REFS, cut=True)
    assert [isinstance(r, Read) for r in readings] == [end <= length for end in ends]


def test_codes_outside_the_book_and_wrong_shapes_are_noticed():
    """A schema that was not honoured is noticed per item; what is right of it is read."""
    wrong = [item("r001", "Q"), {**item("r002"), "more": 1}, {"ref": "r003"}, item("r004", order=7), item("r005")]
    readings = READER.read(reply(wrong), REFS, cut=False)
    assert [type(r) for r in readings] == [Imperfect, Imperfect, Unread, Imperfect, Read]
    code, more, _, number, _ = readings
    assert (code.read.labels, code.read.written) == ({"intent": None}, {"order_id": "12"})
    assert [reason.field for reason in code.wrong] == ["intent"]
    assert [reason.field for reason in more.wrong] == [None]
    assert (number.read.labels, number.read.written) == ({"intent": "alpha"}, {"order_id": None})
    assert [reason.field for reason in number.wrong] == ["order_id"]
