"""Answers: written, decided or both, one reading per message with the signals of its labels."""

import orjson
import pytest

from schemas.reply import CodeBook
from schemas.verdict import Confidence, Decision, NotScored, SignalKind
from workers.asking.model import Answer, Usage
from workers.judging.answers import DecidedReader, WrittenReader
from workers.judging.confidence import Scorer
from workers.judging.reading import Read, Reader, Unread

BOOK = CodeBook({"A": "cancel", "B": "track", "Z": "unknown"}, {"cancel": "", "track": ""})
BOOKS = {"intent": BOOK}
WHOLE = {"cancel": 0.75, "track": 0.2, "unknown": 0.05}


def said(content="", decided=None, tokens=()):
    return Answer(content, False, tokens, Usage(), "m", "r", decided=decided or {})


def intent(label="cancel", distribution=WHOLE):
    return {"intent": Decision(label, distribution)}


def test_a_decided_label_has_the_probability_its_route_gives():
    """Of a kind of its own; `unknown` is no value."""
    one, two = DecidedReader(BOOKS, None).read(said(decided={"a": intent(), "b": intent("unknown", None)}), ["a", "b"])
    assert one.labels == {"intent": "cancel"}
    assert one.signals == {"intent": Confidence(0.75, 1.0, 1, 0, SignalKind.DISTRIBUTION)}
    assert two.labels == {"intent": None}
    assert isinstance(two.signals["intent"], NotScored)


def test_a_distribution_over_other_labels_is_no_confidence():
    """The label is taken, its probability is not."""
    (reading,) = DecidedReader(BOOKS, None).read(said(decided={"a": intent(distribution={"cancel": 1.0})}), ["a"])
    assert isinstance(reading.signals["intent"], NotScored)


@pytest.mark.parametrize(
    ("decided", "why"),
    [({}, Unread.MISSING), ({"a": {}}, Unread.MISSHAPEN), ({"a": intent("other", None)}, Unread.MISSHAPEN)],
)
def test_what_was_not_decided_is_unread(decided, why):
    """It is asked again."""
    assert DecidedReader(BOOKS, None).read(said(decided=decided), ["a"]) == [why]


def test_decisions_and_what_was_written_are_joined_by_ref():
    """A message is read when both are there."""
    reader = DecidedReader(BOOKS, Reader({}, ["order_id"], banded=False))
    content = orjson.dumps({"r": [{"ref": "b", "order_id": "7"}, {"ref": "a", "order_id": None}]}).decode()
    one, two, three = reader.read(said(content, {"a": intent(), "c": intent()}), ["a", "b", "c"])
    assert (one.labels, one.written) == ({"intent": "cancel"}, {"order_id": None})
    assert (two, three) == (Unread.MISSING, Unread.MISSING)


def test_written_labels_get_the_scores_of_their_tokens_by_place():
    """Each message its own, whatever the order; an unread one none."""
    reader = WrittenReader(Reader(BOOKS, [], banded=False), Scorer(BOOKS))
    pieces = ['{"r":[{"ref":"b","intent":"', "A", '"},{"ref":"a","intent":"', "B", '"}]}']
    tokens = [(p.encode(), -0.1 if p == "B" else 0.0, [(p.encode(), -0.1 if p == "B" else 0.0)]) for p in pieces]
    tokens[3] = (b"B", -0.1, [(b"B", -0.1), (b"A", -2.3)])
    one, two, three = reader.read(said("".join(pieces), tokens=tokens), ["a", "b", "c"])
    assert one.labels == {"intent": "track"}
    assert one.signals["intent"].probability == pytest.approx(0.9, abs=0.01)
    assert isinstance(two, Read)
    assert two.signals["intent"].probability == 1.0
    assert three is Unread.MISSING
