"""Summing up: one record of counts in each commit, and all of them together are all events."""

import orjson
from hypothesis import given
from hypothesis import strategies as st

from schemas.verdict import Confidence, Doubt, Escalated, FieldResult, Labelled, Reason, Refusal, Rejected
from tests.fakes.scripted_model import ScriptedModel
from tests.unit.test_pipeline import House, labels
from topics.record import Partition
from workers.summing import Note, Spent, added, rows_of, summariser

confidences = st.floats(0, 1).map(lambda p: Confidence(p, 1.0, 1, 0))
results = st.builds(FieldResult, st.sampled_from(["cancel", "track", None]), st.none() | confidences)
fields = st.fixed_dictionaries({"intent": results})
verdicts = st.one_of(
    fields.map(Labelled),
    fields.map(lambda f: Escalated(f, (Reason(Doubt.UNKNOWN, "intent"),))),
    st.just(Rejected(Refusal.EMPTY, "")),
)
notes = st.lists(
    st.builds(
        Note,
        st.just("tickets"),
        st.sampled_from([None, "a", "b"]),
        st.just("m"),
        verdicts,
        st.just(("intent",)),
        st.integers(0, 1_000).map(float),
        st.just(Spent(2.0, 1.0, 1.0)),
    ),
    max_size=12,
)


def sums(rows):
    return {(row["tenant"], row["model"]): row["sums"] for row in rows}


@given(notes, st.integers(0, 12))
def test_sums_of_parts_are_the_sum_of_the_whole(found, cut):
    """However commits cut the events, adding their records gives the same counts."""
    first, second, whole = (sums(rows_of(part)) for part in (found[:cut], found[cut:], found))
    assert {place: added(first.get(place, {}), second.get(place, {})) for place in {**first, **second}} == whole


@given(notes)
def test_every_event_is_counted_in_one_outcome(found):
    """Labelled, escalated and dead add up to the messages; every class of latency too."""
    for row in rows_of(found):
        counts = row["sums"]
        assert sum(counts.get(outcome, 0) for outcome in ("labelled", "escalated", "dead")) == counts["messages"]
        assert sum(counts["seconds"]) == counts["messages"]
        assert sum(counts.get("labels", {}).get("intent", {}).values()) == counts["messages"] - counts.get("dead", 0)


def test_a_commit_without_notes_has_no_record():
    """Nothing is published for nothing."""
    assert summariser("sums", lambda: 0.0)(Partition("in", 0), [None, "other"]) == ()


async def test_the_records_of_all_commits_count_every_event_once():
    """From a worker in memory: outcomes, labels and tokens; each record in its events' transaction."""
    house = House(ScriptedModel(labels), **{"delivery.summary_topic": "sums"})
    house.cluster.create("sums", 1)
    house.send(*(f"cancel order {1000 + i}" if i % 2 else f"where is order {1000 + i}" for i in range(50)))
    house.cluster.produce("in", b"k", b"{")
    async with house.working():
        await house.settled(51)
    found = [orjson.loads(record.value) for record in house.events("sums")]
    assert 1 <= len(found) <= 51
    assert {(record["task"], len(record["rows"])) for record in found} == {("tickets", 1)}
    total = {}
    for record in found:
        total = added(total, record["rows"][0]["sums"])
    assert (total["messages"], total["labelled"], total["dead"], total["reasons"]) == (51, 50, 1, {"undecodable": 1})
    assert total["labels"] == {"intent": {"cancel": 25, "track": 25}}
    assert round(total["tokens"]["input"]) == 100 * len(house.model.texts[1:])
