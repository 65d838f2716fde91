"""The pipeline on the log in memory with a scripted model: one terminal event per input, whatever the model does."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path

import orjson
import pytest

from schemas.task import Task
from tests.fakes.scripted_model import ScriptedModel
from tests.helpers import until
from topics.memory import MemoryCluster
from topics.record import Partition, Record
from workers.allowance import Allowance, Allowances
from workers.asking.model import Barred, Broken, Refused, TooBig, Trouble, TryAgain, Unclear
from workers.asking.route import Wishes, open_route
from workers.clocks import Clocks
from workers.exits import UserError
from workers.health import Readiness
from workers.lifecycle import Worker
from workers.metrics import Metrics
from workers.patience import Patience
from workers.pipeline import Pipeline, age_seconds
from workers.settings import load_settings
from workers.taskfiles import LoadedTask
from workers.watch import Watch
from workers.wiring.kafka import build_recall, build_source
from workers.wiring.lines import Shared, build_line, build_slots
from workers.wiring.model import build_limiter, dialect_of, room_of, secure_draw

TASK = Task.model_validate(
    {
        "name": "tickets",
        "source": {"topic": "in", "text": "body", "id": "id", "metadata": {"channel": "channel"}},
        "instructions": "Label the tickets.",
        "fields": {
            "intent": {"kind": "label", "labels": {"cancel": "wants to cancel", "track": "asks where it is"}},
            "order_id": {"kind": "extract", "pattern": "[0-9]{3,}"},
        },
        "routes": {"labelled": "labelled", "escalated": "escalated", "dead": "dead"},
    }
)
FAST = Patience(first_seconds=0.001, most_seconds=0.002)
OPEN = Patience(first_seconds=0.001, most_seconds=1.0)


class House:
    """A worker's inside on a cluster in memory."""

    def __init__(self, model, task=TASK, *others, **flags):
        self.cluster = MemoryCluster()
        self.tasks = [task, *others]
        for each in self.tasks:
            self.cluster.create(each.source.topic, 3)
        for topic in task.routes.topics():
            self.cluster.create(topic, 3)
        self.model = model
        self.task = task
        self.settings = load_settings({"delivery.commit_seconds": 0.01, "batching.linger_seconds": 0.01, **flags})
        self.metrics = Metrics("test")
        self.readiness = Readiness()
        self.stop = asyncio.Event()

    @asynccontextmanager
    async def working(self, recalls=None):
        watch = Watch(self.metrics, [task.name for task in self.tasks], None, self.readiness)
        clock = asyncio.get_running_loop().time
        limiter = build_limiter(self.settings, clock, lambda: 0.5, OPEN)
        shared, lines = Shared(limiter, build_slots(self.settings, self.tasks), room_of(self.settings.model)), {}
        for task in self.tasks:
            route = await open_route(self.model, task, dialect_of(self.settings.model), Wishes(logprobs="off"), secure_draw)
            loaded = LoadedTask(task, Path("task.yaml"), None, None, None, None, {})
            line = build_line(loaded, route, self.settings, "memory/1", shared=shared)
            recall = build_recall(task, self.cluster.log())
            if recalls is not None:
                recalls[task.source.topic] = recall
            lines[task.source.topic] = replace(line, patience=FAST, recall=recall)
        source = build_source(self.cluster.log(), self.tasks, self.settings, watch)
        pipeline = Pipeline(source, lines, watch, Clocks(clock, clock, lambda: 0.5, 0.01, 0.01))
        running = asyncio.ensure_future(pipeline.run(self.stop, 5.0))
        try:
            yield
        finally:
            self.stop.set()
            await asyncio.wait_for(running, 10)

    def send(self, *texts, key=b"k"):
        for text in texts:
            self.cluster.produce("in", key, orjson.dumps({"body": text, "id": f"id-{text}"}))

    def events(self, topic):
        return self.cluster.read(topic)

    def outcomes(self):
        """Return the offsets per topic, by source partition and offset: what became of each input."""
        found = {}
        for topic in ("labelled", "escalated", "dead"):
            for record in self.events(topic):
                headers = dict(record.headers)
                found.setdefault((int(headers["nt_partition"]), int(headers["nt_offset"])), []).append(topic)
        return found

    def received(self):
        return self.metrics.registry.get_sample_value("nanotriage_records_received_total", {"task": self.task.name})

    def done(self):
        samples = (s for family in self.metrics.registry.collect() for s in family.samples)
        return sum(s.value for s in samples if s.name == "nanotriage_records_done_total")

    async def settled(self, count, seconds=10):
        """Wait for the count of verdicts, which is cheap to ask for, then for their events."""
        await until(lambda: self.done() >= count, seconds)
        await until(lambda: sum(len(self.events(topic)) for topic in ("labelled", "escalated", "dead")) >= count, seconds)


def labels(text):
    return {"intent": "A" if "cancel" in text else "B", "order_id": next((w for w in text.split() if w.isdigit()), None)}


async def test_every_message_becomes_one_labelled_event_with_its_fields():
    """The main path: topic, batch, model, verdict, topic, position."""
    house = House(ScriptedModel(labels))
    house.send(*(f"cancel order {1000 + i}" if i % 2 else f"where is order {1000 + i}" for i in range(50)))
    async with house.working():
        await house.settled(50)
    outcomes = house.outcomes()
    assert len(outcomes) == 50
    assert all(topics == ["labelled"] for topics in outcomes.values())
    value = orjson.loads(house.events("labelled")[0].value)
    assert value["fields"]["intent"] == {"value": "track", "confidence": None, "signal": "band", "band": "high"}
    assert value["fields"]["order_id"]["value"] == "1000"
    partition = house.cluster.partitions("in")
    committed = [house.cluster.committed("nanotriage", p) for p in partition]
    ends = {p: len(house.cluster.partition_log(p).read(0, 10_000)[0]) for p in partition}
    assert [c.position.offset for c in committed if c] == [ends[c.position.partition] for c in committed if c]


BAD_INPUT = {
    "undecodable": b"\xff\xfe{",
    "not json": b"{",
    "empty": b"",
    "tombstone": None,
    "list": b"[]",
    "missing text": b'{"id": 1}',
    "wrong type": b'{"body": 7}',
    "blank": b'{"body": "  "}',
    "huge": b'{"body": "' + b"x" * 5_000_000 + b'"}',
    "deep": b'{"body":' + b"[" * 5000 + b"]" * 5000 + b"}",
}


@pytest.mark.parametrize("value", BAD_INPUT.values(), ids=BAD_INPUT.keys())
async def test_bad_input_is_a_dead_letter_and_its_neighbours_are_labelled(value):
    """Whatever a record holds, it ends once, with its bytes (or their hash) and a reason, and stops nobody."""
    house = House(ScriptedModel(labels))
    house.cluster.max_record_bytes = 10_000_000
    house.send("cancel 123")
    house.cluster.produce("in", b"k", value, (("h", b"1"),))
    house.cluster.max_record_bytes = 1_000_000
    house.send("cancel 456")
    async with house.working():
        await house.settled(3)
    assert sorted(t for ts in house.outcomes().values() for t in ts) == ["dead", "labelled", "labelled"]
    (dead,) = house.events("dead")
    headers = dict(dead.headers)
    assert headers["nt_reason"] in {b"undecodable", b"empty", b"no_text", b"too_large"}
    if value is not None and len(value) > 1_000_000:
        assert value.startswith(dead.value or b"")
        assert headers["nt_cut_bytes"] == str(len(value)).encode()
    else:
        assert dead.value == value
        assert headers["orig_h"] == b"1"


MANGLES = {
    "missing": lambda items: items[1:],
    "doubled": lambda items: [*items, items[0]],
    "alien": lambda items: [{**items[0], "ref": "zzzz"}, *items[1:]],
    "swapped shape": lambda items: [{"ref": items[0]["ref"]}, *items[1:]],
    "no items": lambda _: [],
    "not json": lambda _: "<html>",
    "truncated": lambda items: orjson.dumps({"r": items}).decode()[:-20],
}


@pytest.mark.parametrize("mangle", MANGLES.values(), ids=MANGLES.keys())
async def test_a_mangled_answer_loses_and_doubles_nothing(mangle):
    """Missing, doubled, alien or truncated items are asked again; all messages end labelled, within 2n-1 calls."""
    model = ScriptedModel(labels)
    house = House(model, **{"model.concurrency": 1})
    house.send(*(f"cancel {100 + i}" for i in range(8)))
    async with house.working():
        model.texts.clear()
        model.script = [mangle]
        await house.settled(8)
    assert all(topics == ["labelled"] for topics in house.outcomes().values())
    assert len(house.outcomes()) == 8


async def test_a_poison_message_is_isolated_within_2n_minus_1_calls():
    """One text that spoils every answer it is in ends dead; its batch mates end labelled."""
    model = ScriptedModel(labels)
    model.always = lambda items: (lambda _: "garbage") if any("poison" in i["text"] for i in items) else None
    house = House(model, **{"model.concurrency": 1, "batching.linger_seconds": 1, "batching.max_items": 16})
    house.send(*(f"cancel {100 + i}" for i in range(15)), "poison")
    async with house.working():
        await house.settled(16)
    topics = [t for ts in house.outcomes().values() for t in ts]
    assert topics.count("labelled") == 15
    (dead,) = house.events("dead")
    assert dict(dead.headers)["nt_reason"] == b"no_valid_answer"
    assert len(model.texts) - 1 <= 2 * 16 - 1


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (TooBig("x"), b"too_large"),
        (Refused("x"), b"content_refused"),
        (Broken("x"), b"no_valid_answer"),
        (Unclear("x", "x"), b"no_valid_answer"),
    ],
)
async def test_a_message_at_fault_is_found_by_halving(fault, reason):
    """Too big, refused or broken: the batch is halved until the one at fault is alone."""
    model = ScriptedModel(labels)
    model.always = lambda items: fault if any("bad" in i["text"] for i in items) else None
    house = House(model)
    house.send(*(f"cancel {100 + i}" for i in range(5)), "bad", *(f"cancel {200 + i}" for i in range(5)))
    async with house.working():
        await house.settled(11)
    (dead,) = house.events("dead")
    assert dict(dead.headers)["nt_reason"] == reason
    assert len(house.events("labelled")) == 10


async def test_a_provider_outage_makes_no_dead_letter():
    """While the provider fails, nothing ends, calls are held back and /ready says so; then everything is labelled."""
    model = ScriptedModel(labels)
    house = House(model)
    down = True
    model.always = lambda items: TryAgain("down") if down and "harmless" not in str(items) else None
    down = False
    async with house.working():
        down = True
        house.send(*(f"cancel {100 + i}" for i in range(30)))
        await until(lambda: len(model.texts) > 10)
        await until(lambda: any("does not answer" in reason for reason in house.readiness.reasons))
        assert house.outcomes() == {}
        down = False
        await house.settled(30)
        await until(lambda: not any("does not answer" in reason for reason in house.readiness.reasons))
    assert [t for ts in house.outcomes().values() for t in ts] == ["labelled"] * 30


async def test_a_refusal_holds_back_the_calls_of_every_batch_and_nothing_dies():
    """After one 429 nobody calls until it is over, told limits are exported, and everything is labelled once."""
    model = ScriptedModel(labels)
    house = House(model, **{"batching.max_items": 1, "model.concurrency": 8})
    told = Allowances(Allowance(600, 599), Allowance(50_000, 40_000))
    async with house.working():
        model.script = [TryAgain("limit", 0.3, Trouble.LIMIT, told)]
        model.texts.clear()
        house.send(*(f"cancel {100 + i}" for i in range(30)))
        await until(lambda: house.metrics.calls_waiting.collect()[0].samples[0].value > 0)
        assert len(model.texts) <= 8
        await house.settled(30)
    assert [t for ts in house.outcomes().values() for t in ts] == ["labelled"] * 30
    exposed = house.metrics.exposition().decode()
    assert 'nanotriage_limit_per_minute{kind="tokens"} 50000.0' in exposed
    assert 'nanotriage_limit_left{kind="tokens"} 0.8' in exposed


async def test_two_workers_of_a_group_take_their_share_of_the_limits():
    """Each uses the part of its partitions; whoever is left alone uses the whole."""
    house = House(ScriptedModel(labels), **{"limits.requests_per_minute": 60_000})
    part = house.metrics.limit_part.labels("share")._value
    async with house.working():
        await until(lambda: part.get() == 1.0)
        stranger = house.cluster.log().intake("nanotriage")
        await stranger.start({"in"}, Deaf())
        await until(lambda: round(3 * part.get(), 6) in {1, 2})
        await stranger.stop()
        await until(lambda: part.get() == 1.0)


class Deaf:
    """A member of the group that does nothing with what it gets."""

    async def revoked(self, partitions):
        pass

    def assigned(self, partitions):
        pass


async def test_a_barred_account_stops_the_intake_says_so_once_and_loses_nothing():
    """A spent quota makes the worker unready; when the harmless question is answered again, work goes on."""
    model = ScriptedModel(labels)
    house = House(model)
    async with house.working():
        barred = True
        model.always = lambda _: Barred("the quota is spent") if barred else None
        house.send(*(f"cancel {100 + i}" for i in range(40)))
        await until(lambda: any("quota is spent" in reason for reason in house.readiness.reasons))
        assert house.outcomes() == {}
        barred = False
        await house.settled(40)
        assert not any("quota" in reason for reason in house.readiness.reasons)
    assert [t for ts in house.outcomes().values() for t in ts] == ["labelled"] * 40


async def test_a_flood_of_dead_letters_stops_the_line():
    """When all of a partition dies, the brake stops before the limit is passed; the rest stays owed, and a stop is quick."""
    house = House(ScriptedModel(labels), **{"brake.dead_run": 20})
    for number in range(100):
        house.cluster.produce("in", b"k", b"\xff%d" % number)
    async with house.working():
        await until(lambda: any("in a row are dead letters" in reason for reason in house.readiness.reasons))
        await house.settled(20)
    assert len(house.events("dead")) == 20
    partition = next(p for p in house.cluster.partitions("in") if house.cluster.committed("nanotriage", p))
    assert house.cluster.committed("nanotriage", partition).position.offset == 20


async def test_a_value_that_does_not_stand_in_the_text_is_escalated():
    """The model invents an order id: the event is escalated with the text and the reason, and the value is not published."""
    house = House(ScriptedModel(lambda _: {"order_id": "99999"}))
    house.send("cancel my order please")
    async with house.working():
        await house.settled(1)
    (record,) = house.events("escalated")
    value = orjson.loads(record.value)
    assert value["reasons"] == [{"reason": "not_grounded", "field": "order_id", "detail": ""}]
    assert value["fields"]["order_id"]["value"] is None
    assert value["text"] == "cancel my order please"


async def test_a_broken_rule_is_told_to_the_model_and_repaired():
    """The item is asked once more with what was wrong as data beside its text, and the mended answer is published."""
    told = []

    def label(text):
        return {"order_id": "1000" if told else "99999"}

    model = ScriptedModel(label)
    model.always = lambda items: told.extend(i["wrong"] for i in items if "wrong" in i)
    house = House(model, **{"model.concurrency": 1})
    house.send("cancel order 1000 please")
    async with house.working():
        await house.settled(1)
    (record,) = house.events("labelled")
    value = orjson.loads(record.value)
    assert value["fields"]["order_id"]["value"] == "1000"
    assert value["provenance"]["attempts"] == 2
    assert told == ["order_id: the value does not stand in the text exactly as written; use null if none does"]


@pytest.mark.parametrize("then", [lambda _: "garbage", Refused("no"), TooBig("x"), lambda items: [{**items[0], "intent": "Q"}]])
async def test_the_last_imperfect_answer_travels_with_the_escalation(then):
    """An invalid code for one field: whatever the second answer is, the other field is published and the reason told."""
    model = ScriptedModel(labels)
    house = House(model)
    async with house.working():
        model.script = [lambda items: [{**items[0], "intent": "Q"}], then]
        house.send("cancel order 1000")
        await house.settled(1)
    assert house.outcomes().popitem()[1] == ["escalated"]
    value = orjson.loads(house.events("escalated")[0].value)
    assert value["fields"]["order_id"]["value"] == "1000"
    assert value["reasons"] == [{"reason": "invalid_answer", "field": "intent", "detail": "is not one of its codes"}]


async def test_without_repair_a_broken_rule_is_escalated_at_once():
    """One call, as before."""
    model = ScriptedModel(lambda _: {"order_id": "99999"})
    house = House(model, **{"model.repair": False})
    async with house.working():
        calls = len(model.texts)
        house.send("cancel my order please")
        await house.settled(1)
    assert len(model.texts) == calls + 1
    assert len(house.events("escalated")) == 1


async def test_a_repaired_batch_stays_within_2n_minus_1_calls():
    """Every message breaks a rule, whatever is said of it."""
    model = ScriptedModel(lambda _: {"order_id": "99999"})
    house = House(model, **{"model.concurrency": 1, "batching.linger_seconds": 1, "batching.max_items": 8})
    house.send(*(f"cancel number {i}" for i in range(8)))
    async with house.working():
        await house.settled(8)
    assert len(house.events("escalated")) == 8
    assert len(model.texts) - 1 <= 15


@pytest.mark.parametrize("applied", [True, False])
async def test_commits_in_doubt_lose_and_double_nothing(applied):
    """Every third commit's answer is lost, applied or not: still one event per input, in key order."""
    house = House(ScriptedModel(labels))
    for _ in range(6):
        house.cluster.lose_next_commit(applied=applied)
    async with house.working():
        for burst in range(6):
            house.send(*(f"cancel {100 * burst + i + 100}" for i in range(20)))
            await house.settled(20 * (burst + 1), 30)
    outcomes = house.outcomes()
    assert len(outcomes) == 120
    assert all(len(topics) == 1 for topics in outcomes.values())
    order = [int(dict(r.headers)["nt_offset"]) for r in house.events("labelled")]
    assert order == sorted(order)


@pytest.mark.parametrize("answered", [False, True])
async def test_a_straggler_is_escalated_before_it_stops_its_partition(answered):
    """One message without a good answer holds thousands up: it goes out with the imperfect one it has, and all end once."""
    model = ScriptedModel(lambda text: labels(text) | ({"order_id": "77777"} if text == "cancel 1001" else {}))
    house = House(model, **{"batching.max_items": 16, "model.concurrency": 8, "delivery.order": "none"})

    def never(items):
        if not any(item["text"] == "cancel 1001" for item in items):
            return None
        if len(items) == 1:
            return TryAgain("never", 10.0)
        return None if answered else TooBig("ask it alone")

    model.always = never
    for number in range(1_001, 5_500):
        house.cluster.produce("in", b"k", orjson.dumps({"body": f"cancel {number}"}), partition=0)
    async with house.working():
        await house.settled(4_499, 60)
        house.stop.set()
    outcomes = house.outcomes()
    assert all(len(topics) == 1 for topics in outcomes.values())
    (late,) = house.events("escalated")
    event = orjson.loads(late.value)
    reasons = [(reason["reason"], reason["field"]) for reason in event["reasons"]]
    assert reasons == [("unanswered", None), *([("not_grounded", "order_id")] if answered else [])]
    assert event["fields"]["intent"]["value"] == ("cancel" if answered else None)


async def test_no_call_is_made_that_the_model_cannot_take():
    """A context of 1,500 tokens: batches shrink to it, and a text far beyond it dies unasked with a reason that says so."""
    model = ScriptedModel(labels)
    house = House(model, **{"model.context_tokens": 1_500, "model.concurrency": 1})
    house.send(*(f"cancel {1000 + i} {'please ' * 40}" for i in range(40)), f"cancel {'x' * 30_000}")
    async with house.working():
        await house.settled(41)
    (dead,) = house.events("dead")
    headers = dict(dead.headers)
    assert headers["nt_reason"] == b"too_large"
    assert headers["nt_detail"].startswith(b"too long for the model: the text takes about ")
    assert b"1,500" in headers["nt_detail"]
    assert len(house.events("labelled")) == 40
    asked = model.texts[1:]  # after the harmless question
    assert 1 < max(map(len, asked)) < 8  # of 16: half of what the prompt leaves is kept for answers of 120 tokens


async def test_an_urgent_message_and_another_tenants_overtake_a_flood():
    """One slot, 400 messages of one tenant wait: a gold message and one of another tenant are asked within two calls."""
    source = {**TASK.source.model_dump(), "tenant": "shop", "metadata": {"tier": "tier"}}
    source["priority"] = {"field": "tier", "high": ["gold"]}
    task = Task.model_validate({**TASK.model_dump(), "source": source})
    model = ScriptedModel(labels)
    house = House(model, task, **{"model.concurrency": 1, "batching.max_items": 16, "batching.max_waiting": 2_000})
    for number in range(400):
        house.cluster.produce("in", b"k", orjson.dumps({"body": f"cancel {1_000 + number}", "shop": "big"}))
    async with house.working():
        model.hold = asyncio.Event()
        await until(lambda: len(model.texts) > 1 and house.received() == 400)
        house.cluster.produce("in", b"a", orjson.dumps({"body": "cancel 1, gold", "shop": "big", "tier": "gold"}))
        house.cluster.produce("in", b"b", orjson.dumps({"body": "cancel 2, small", "shop": "small"}))
        await until(lambda: house.received() == 402)
        asked = len(model.texts)
        model.hold.set()
        await house.settled(402, 30)
    soon = [text for texts in model.texts[asked : asked + 4] for text in texts]
    assert "cancel 1, gold" in model.texts[asked]
    assert "cancel 2, small" in soon


class Idle:
    """A member of the group that takes partitions and does nothing with them."""

    async def revoked(self, partitions):
        pass

    def assigned(self, partitions):
        self.owned = partitions


async def test_calls_are_full_after_another_worker_took_partitions_over():
    """What waits of a lost partition leaves at once, not one by one out of calls about the rest of them."""
    model = ScriptedModel(labels)
    house = House(model, **{"model.concurrency": 1, "batching.max_items": 16, "guard.share": 0})
    for number in range(240):
        value = orjson.dumps({"body": f"cancel {1_000 + number}"})
        house.cluster.produce("in", b"%d" % number, value, partition=number % 3)
    async with house.working():
        model.hold = asyncio.Event()
        await until(lambda: len(model.texts) > 1 and house.received() == 240)
        asked, idle = len(model.texts), Idle()
        await house.cluster.log().intake("nanotriage").start(["in"], idle)
        ours = 80 * (3 - len(idle.owned))
        assert 0 < ours < 240
        waiting = partial(house.metrics.registry.get_sample_value, "nanotriage_messages_waiting")
        await until(lambda: ours - 16 <= waiting() <= ours)  # those that are being asked about do not wait
        model.hold.set()
        await until(lambda: len(house.events("labelled")) >= ours)
    *sizes, _ = [len(texts) for texts in model.texts[asked:]]
    assert set(sizes) == {16}


@pytest.mark.parametrize(("written", "age"), [(99.5, 0.5), (100, 0), (101, 0), (1, 60), (0, 60), (-5, 60)])
def test_an_age_is_bounded(written, age):
    """Neither a clock that is wrong nor a backlog of last week keeps the others waiting."""
    record = Record(Partition("in", 0), 0, None, b"", (), int(written * 1000))
    assert age_seconds(record, 100.0) == pytest.approx(age)


async def test_a_stop_finishes_what_was_received():
    """Told to stop while the model is slow, the worker commits the answers that come within the deadline and no more is read."""
    model = ScriptedModel(labels)
    house = House(model)
    house.send(*(f"cancel {100 + i}" for i in range(30)))
    async with house.working():
        model.hold = asyncio.Event()
        await until(lambda: len(model.texts) > 1)
        house.stop.set()
        model.hold.set()
    owed = set(house.outcomes())
    assert all(len(topics) == 1 for topics in house.outcomes().values())
    positions = [house.cluster.committed("nanotriage", p) for p in house.cluster.partitions("in")]
    assert sum(c.position.offset for c in positions if c) == len(owed)


async def test_an_outage_of_the_log_loses_nothing():
    """The broker goes away and comes back: everything ends once."""
    house = House(ScriptedModel(labels))
    house.send(*(f"cancel {100 + i}" for i in range(30)))
    async with house.working():
        await house.settled(1)
        house.cluster.down = True
        house.cluster.changes.tell()
        await asyncio.sleep(0)
        house.cluster.down = False
        house.send(*(f"cancel {200 + i}" for i in range(30)))
        await house.settled(60, 20)
    assert len(house.outcomes()) == 60
    assert all(len(topics) == 1 for topics in house.outcomes().values())


async def test_a_task_that_stands_still_keeps_no_slot_from_another():
    """The only slot is taken by a task whose gate closes meanwhile: its next question waits, the other task's is asked."""
    source = {"topic": "other", "text": "body"}
    other = Task.model_validate({**TASK.model_dump(), "name": "other", "source": source})
    model = ScriptedModel(labels)
    house = House(model, TASK, other, **{"model.concurrency": 1, "brake.dead_run": 5})
    async with house.working():
        model.hold = asyncio.Event()
        house.send("cancel 100", "cancel 101")
        await until(lambda: model.texts[-1][0].startswith("cancel"))
        model.script = [lambda items: items[:-1] if len(items) > 1 else []]
        for _ in range(30):
            house.cluster.produce("in", b"k", b"\xff")
        await until(lambda: any("in a row are dead letters" in reason for reason in house.readiness.reasons))
        model.hold.set()
        for number in range(40):
            house.cluster.produce("other", b"k", orjson.dumps({"body": f"track {100 + number}"}))
        await until(lambda: sum(dict(e.headers)["nt_topic"] == b"other" for e in house.events("labelled")) == 40)


async def test_a_task_whose_route_is_barred_keeps_no_slot_from_another():
    """Whoever looks again whether it is answered waits without the only slot."""
    source = {"topic": "other", "text": "body"}
    other = Task.model_validate({**TASK.model_dump(), "name": "other", "source": source})
    model = ScriptedModel(labels)
    house = House(model, TASK, other, **{"model.concurrency": 1})
    async with house.working():
        model.always = lambda items: None if items[0]["text"].startswith("track") else Barred("the route is not for this task")
        house.send("cancel 100")
        await until(lambda: any("not for this task" in reason for reason in house.readiness.reasons))
        house.cluster.produce("other", b"k", orjson.dumps({"body": "track 100"}))
        await until(lambda: any(dict(e.headers)["nt_topic"] == b"other" for e in house.events("labelled")))


async def test_the_next_call_goes_before_an_answer_is_read():
    """With one call at once: when a batch has been asked about, the one before it has no verdict yet."""
    done_before = []

    class Noting(ScriptedModel):
        async def ask(self, call):
            done_before.append(house.done())
            return await super().ask(call)

    house = House(Noting(labels), **{"model.concurrency": 1, "batching.max_items": 4, "guard.share": 0})
    house.send(*(f"where is order {1000 + i}" for i in range(40)))
    async with house.working():
        await house.settled(40)
    calls = done_before[-8:]
    assert [after - before for before, after in pairwise(calls)] == [4] * 7
    assert calls[-1] <= 40 - 4 - 4, "the batch before the last was read before the last one was asked"


async def test_a_prompt_that_leaves_no_room_for_messages_is_refused():
    """A bound that could only ever hold one message a call is a mistake, said at start with what to do."""
    house = House(ScriptedModel(labels), **{"batching.max_tokens": 256, "batching.max_items": 16})
    with pytest.raises(UserError, match=r"max_tokens 256 leaves no room .* about \d+ tokens of every call: raise it"):
        async with house.working():
            pass


async def test_batches_shrink_to_what_the_model_takes():
    """A model with room for nine messages is asked about ten and more a few times only; the gauge tells, and all end once."""
    model = ScriptedModel(labels)
    house = House(model, **{"batching.linger_seconds": 5})
    model.always = lambda items: TooBig("context") if len(items) > 9 else None
    house.send(*(f"cancel {100 + i}" for i in range(300)))
    async with house.working():
        await house.settled(300, 30)
        size = house.metrics.registry.get_sample_value("nanotriage_batch_size", {"task": "tickets"})
    assert 5 <= size <= 10
    assert sum(len(texts) > 9 for texts in model.texts) <= 14
    assert all(topics == ["labelled"] for topics in house.outcomes().values())


@pytest.mark.parametrize(("crowd", "size"), [(15, 8), (0, 16)])
async def test_one_message_that_fits_no_call_does_not_make_all_calls_small(crowd, size):
    """Its batch is halved until it is alone, and the next batches once; asked about alone it tells nothing of batches."""
    model = ScriptedModel(labels)
    house = House(model, **{"batching.linger_seconds": 1 if crowd else 0.01, "batching.max_items": 16})
    model.always = lambda items: TooBig("context") if any("bad" in i["text"] for i in items) else None
    house.send(*(f"cancel {100 + i}" for i in range(crowd)), "bad")
    async with house.working():
        await house.settled(crowd + 1)
        gauge = partial(house.metrics.registry.get_sample_value, "nanotriage_batch_size", {"task": "tickets"})
        await until(lambda: gauge() == size)


def test_worker_is_a_value():
    """What a worker is made of cannot change while it runs."""
    assert Worker.__dataclass_params__.frozen
