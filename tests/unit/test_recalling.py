"""Context in the pipeline: what is known of a conversation stands beside the text, nothing waits for it, the event tells it."""

import jsonschema
import orjson
import pytest

from schemas.context import ContextRule
from schemas.events import json_schema
from schemas.message import Message
from tests.fakes.scripted_model import ScriptedModel, asked
from tests.helpers import until
from tests.unit.test_pipeline import TASK, House, labels
from topics.record import Partition, Record
from workers.asking.model import Wire
from workers.recalling import Recall
from workers.remembering.wire import MARKER
from workers.stateful.keeper import keeper_of

RULE = ContextRule(topic="said", turns=3)
TOLD = TASK.model_copy(update={"context": RULE})


class Listening(ScriptedModel):
    """Keeps the items it was asked about, by their text."""

    def __init__(self):
        super().__init__(labels)
        self.items = {}

    async def ask(self, call):
        if call.wire is Wire.CHAT:
            self.items |= {item["text"]: item for item in asked(call)[0]}
        return await super().ask(call)


def house_with_keeper():
    """Return a house whose context topic holds what a keeper makes of the source as it stands."""
    house = House(Listening(), TOLD)
    house.cluster.create("said", 3)
    house.cluster.create("said.forget", 3)
    return house


def keep(house):
    keeper, values = keeper_of(TOLD, RULE), {}
    for partition in house.cluster.partitions("in"):
        for record in house.cluster.partition_log(partition).read(0, 1_000)[0]:
            said = keeper.turn(record)
            values[said.key, partition.number] = keeper.after(values.get((said.key, partition.number)), (), said)
    for (key, number), value in values.items():
        house.cluster.produce("said", key, value, partition=number)


def events(house):
    return {e["message"]["id"]: e for e in (orjson.loads(record.value) for record in house.events("labelled"))}


async def test_what_was_said_before_stands_beside_the_text_and_in_the_event():
    """Not the message itself, not what came after it, although the keeper is ahead; another conversation has none of it."""
    house = house_with_keeper()
    house.send("track 111", "track 222", "cancel 333", key=b"mine")
    house.send("track 444", key=b"yours")
    keep(house)
    recalls = {}
    async with house.working(recalls=recalls):
        await until(lambda: len(recalls["in"].memory) == 2)
        await house.settled(4)
        house.send("it is 3456", key=b"mine")
        await house.settled(5)
    found = events(house)
    late = found["id-it is 3456"]["context"]
    assert (late["turns"], late["last"]["id"], late["earlier"]) == (3, "id-cancel 333", 0)
    assert house.model.items["it is 3456"]["context"] == [{"text": t} for t in ("track 111", "track 222", "cancel 333")]
    assert found["id-track 444"]["context"] is None
    assert "context" not in house.model.items["track 444"]
    for event in found.values():
        jsonschema.validate(event, json_schema("labelled.v1"))


async def test_nothing_waits_for_a_context_that_cannot_be_read():
    """The context topic is empty, the keeper is not there: events say that there was none."""
    house = house_with_keeper()
    house.send("track 111", "cancel 222", key=b"mine")
    async with house.working():
        await house.settled(2)
    assert [event["context"] for event in events(house).values()] == [None, None]
    sample = house.metrics.registry.get_sample_value
    assert sample("nanotriage_contexts_total", {"task": "tickets", "known": "no"}) == 2


async def test_a_task_without_context_says_nothing_of_it():
    """Neither in the prompt nor in the event."""
    house = House(Listening())
    house.send("track 111")
    async with house.working():
        await house.settled(1)
    (event,) = events(house).values()
    assert "context" not in event
    assert set(house.model.items["track 111"]) == {"ref", "text"}


async def test_only_owned_partitions_are_held_and_a_tombstone_erases():
    """Another's partition is let go of."""
    house = house_with_keeper()
    recall = Recall(RULE, "in", house.cluster.log())
    for number in range(3):
        house.cluster.produce("said", b"k%d" % number, b"{}", partition=number)
    house.cluster.produce("said", MARKER + b"0", b"{}", partition=1)
    async with house.cluster.log().reader() as reader:
        await recall._catch_up(reader, {0, 1})
        assert [recall.memory.get(n, b"k%d" % n) for n in range(3)] == [b"{}", b"{}", None]
        house.cluster.produce("said", b"k1", None, partition=1)
        await recall._catch_up(reader, {1, 2, 7})
    assert [recall.memory.get(n, b"k%d" % n) for n in range(3)] == [None, None, b"{}"]


@pytest.mark.parametrize(
    ("time", "offset", "turns"), [(1_000, 2, ["a", "b"]), (1_000, 1, ["a"]), (999, 9, []), (10**12, 9, [])]
)
def test_the_place_of_a_message_decides_what_came_before_it(time, offset, turns):
    """By time, then by offset; what is older than the time to live is over."""
    keeper, value = keeper_of(TOLD, RULE), None
    for number, text in enumerate(["a", "b"]):
        record = Record(Partition("in", 0), number, b"k", orjson.dumps({"body": text, "id": text}), (), 1_000)
        value = keeper.after(value, (), keeper.turn(record))
    recall = Recall(RULE, "in", House(Listening(), TOLD).cluster.log())
    recall.memory.put(0, b"k", value)
    message, _ = recall.of(Message("c", "c", b"k", None, {}), record._replace(offset=offset, timestamp_ms=time), None)
    assert [said.text for said in (message.context.turns if message.context else ())] == turns


def test_a_context_is_made_once_from_a_window_and_again_from_a_newer_one():
    """A message is looked up when it comes and when it is asked about; an erased conversation leaves it without context."""
    keeper, recall = keeper_of(TOLD, RULE), Recall(RULE, "in", House(Listening(), TOLD).cluster.log())
    said = Record(Partition("in", 0), 0, b"k", orjson.dumps({"body": "a", "id": "a"}), (), 1_000)
    message, record = Message("c", "c", b"k", None, {}), said._replace(offset=5)
    assert recall.of(message, record, None) == (message, None)
    recall.memory.put(0, b"k", window := keeper.after(None, (), keeper.turn(said)))
    told, heard = recall.of(message, record, None)
    assert (told.context.last_id, heard) == ("a", window)
    assert recall.of(told, record, heard)[0] is told
    recall.memory.put(0, b"k", keeper.after(window, (), keeper.turn(said._replace(offset=1, value=b'{"body":"b","id":"b"}'))))
    assert recall.of(told, record, heard)[0].context.last_id == "b"
    recall.memory.put(0, b"k", None)
    assert recall.of(told, record, heard) == (message, None)
