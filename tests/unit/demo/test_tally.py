"""The tally finds every lost, doubled and alien event, whatever the order in which events are read."""

import orjson
from hypothesis import given
from hypothesis import strategies as st

from schemas.events import EventKind
from workers.demo.tally import Published, Sent, Tally
from workers.evaluating.inputs import Input
from workers.evaluating.outcome import Origin


def published(origin, kind=EventKind.LABELLED, timestamp_ms=2000, reason="low_confidence"):
    headers = (
        ("ce_type", kind.event_type.encode()),
        ("nt_topic", origin.topic.encode()),
        ("nt_partition", b"%d" % origin.partition),
        ("nt_offset", b"%d" % origin.offset),
        ("nt_reason", b"empty"),
    )
    body = {
        "message": {"id": f"id-{origin.offset}"},
        "provenance": {"model": "nano", "prompt": "p", "reply_schema": "s", "batch_size": 1, "place": 0},
        "fields": {"intent": {"value": "a", "confidence": 0.9}},
        "reasons": [{"reason": reason, "field": "intent", "detail": ""}],
    }
    return Published("out", b"k", None if kind is EventKind.DEAD else orjson.dumps(body), headers, timestamp_ms)


def sent_tally(count, tasks=("tickets",)):
    tally = Tally()
    for place in range(count):
        task = tasks[place % len(tasks)]
        tally.send(Origin(task, 0, place), Sent(task, Input(b'{"body": "text"}', b"k", f"id-{place}"), 1000))
    return tally


KINDS = st.sampled_from(list(EventKind))


@given(st.lists(st.tuples(st.integers(0, 3), KINDS), max_size=12), st.integers(0, 3), st.randoms())
def test_lost_doubled_and_alien_are_counted(plan, aliens, chance):
    """Events per input drawn at random: the tally says exactly what a count by hand says."""
    tally = sent_tally(len(plan))
    records = [published(Origin("tickets", 0, place), kind) for place, (times, kind) in enumerate(plan) for _ in range(times)]
    records += [published(Origin("elsewhere", 0, place)) for place in range(aliens)]
    chance.shuffle(records)
    for record in records:
        tally.see(record)
    assert tally.lost == sum(times == 0 for times, _ in plan)
    assert tally.doubled == sum(max(0, times - 1) for times, _ in plan)
    assert tally.alien == aliens
    assert tally.complete == (tally.lost == 0)
    assert tally.exactly_once == (bool(plan) and all(times == 1 for times, _ in plan) and aliens == 0)


def test_what_is_no_event_is_alien():
    """A record without our headers on an output topic breaks the claim: nobody else writes to this run's topics."""
    tally = sent_tally(1)
    tally.see(published(Origin("tickets", 0, 0)))
    tally.see(Published("out", None, b"{}", (), 0))
    assert (tally.alien, tally.exactly_once) == (1, False)


def test_nothing_sent_proves_nothing():
    """A run without inputs does not hold."""
    assert not Tally().exactly_once
