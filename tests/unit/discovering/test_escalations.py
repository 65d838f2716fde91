"""Escalations are gathered from events as published, or from a file of them or of the task's records."""

import orjson
import pytest

from schemas.message import Message
from schemas.verdict import Doubt, Escalated, FieldResult, Labelled, Reason
from tests.unit.deadletters.world import ROUTER, TASK, dead_outgoing, record_of, source_record
from topics.memory import MemoryCluster
from topics.memory.log import MemoryLog
from workers.commands.discover import listen
from workers.discovering.escalations import Gathered
from workers.routing import AnsweredBy

BY = AnsweredBy("nano", "p", "s", "r", 1)


def event(number, text, *doubts, label=None):
    """Return the event of a message that was escalated for these doubts, labelled without any."""
    fields = {"intent": FieldResult(label)}
    verdict = Escalated(fields, tuple(Reason(doubt, "intent") for doubt in doubts)) if doubts else Labelled(fields)
    message = Message(text, f"id-{number}", None, None, {})
    return ROUTER.answered(verdict, source_record(number), message, BY, place=0, attempts=1)


def gathered(*outgoing, **rules):
    found = Gathered(TASK, **{"most": 100, **rules})
    found.see(record_of(each, offset) for offset, each in enumerate(outgoing))
    return found


def test_what_was_escalated_for_want_of_a_label_is_gathered_with_what_the_model_said():
    """Whatever else was doubted; other escalations are counted only."""
    found = gathered(
        event(1, "one", Doubt.UNKNOWN),
        event(2, "two", Doubt.CHECK_FAILED, Doubt.LOW_CONFIDENCE, label="cancel"),
        event(3, "three", Doubt.NOT_GROUNDED),
    )
    assert [(one.identity, one.text, one.labels) for one in found.escalations] == [
        ("id-1", "one", {"intent": None}),
        ("id-2", "two", {"intent": "cancel"}),
    ]
    assert found.reasons == {Doubt.UNKNOWN: 1, Doubt.CHECK_FAILED: 1, Doubt.NOT_GROUNDED: 1}
    only = gathered(event(1, "one", Doubt.UNKNOWN), event(2, "two", Doubt.NOT_SCORED), doubts=frozenset({Doubt.NOT_SCORED}))
    assert [one.text for one in only.escalations] == ["two"]


def test_a_text_counts_once_and_the_last_ones_are_kept():
    """A message that is sent again and again is no cluster."""
    found = gathered(*(event(n, f"text {n % 4}", Doubt.UNKNOWN) for n in range(10)), most=3)
    assert [one.identity for one in found.escalations] == ["id-7", "id-8", "id-9"]


@pytest.mark.parametrize("value", [b"", b"nothing", b"[]", b'{"event": "nanotriage.escalated.v1"}'])
def test_what_is_no_escalation_of_the_task_is_counted_as_alien(value):
    """Whatever stands in the topic."""
    found = gathered(event(1, "labelled"), dead_outgoing(source_record()))
    found.see([record_of(event(1, "x", Doubt.UNKNOWN))._replace(value=value)])
    body = orjson.loads(event(1, "x", Doubt.UNKNOWN).value)
    found.take(orjson.dumps({**body, "task": "other"}))
    assert found.escalations == []
    assert found.aliens == 4


def test_a_file_may_hold_events_or_records_of_the_source():
    """Somebody else may have escalated those; the model said nothing of them."""
    found = Gathered(TASK, 100)
    for line in (event(1, "one", Doubt.UNKNOWN).value, b'{"body": "two"}', b'{"other": "three"}', b"four"):
        found.take(line)
    assert [(one.text, one.labels) for one in found.escalations] == [("one", {"intent": None}), ("two", {})]
    assert found.aliens == 2


async def test_the_escalation_topic_is_read_as_it_ends_now():
    """All of its partitions, by nobody's consumer."""
    cluster = MemoryCluster()
    cluster.create("escalated", 3)
    for number in range(9):
        outgoing = event(number, f"text {number}", Doubt.UNKNOWN)
        cluster.produce("escalated", outgoing.key, outgoing.value, headers=outgoing.headers, partition=number % 3)
    found = Gathered(TASK, 100)
    log = cluster.log()
    assert isinstance(log, MemoryLog)
    await listen(log, found)
    assert sorted(one.text for one in found.escalations) == [f"text {number}" for number in range(9)]
