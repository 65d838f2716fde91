"""`nanotriage dlq` on a real Kafka: letters that the worker's router wrote come back once, and looking changes nothing."""

import asyncio
import json
from collections import Counter
from contextlib import asynccontextmanager

import pytest
import yaml
from aiokafka import AIOKafkaConsumer, TopicPartition

from schemas.task import Task
from schemas.verdict import Refusal, Rejected
from topics.connection import Connection
from topics.kafka import KafkaLog
from topics.kafka.intake import records_of
from topics.kafka.reader import kafka_reader
from topics.provision import WantedTopic, apply, plan
from topics.record import Committed, Outgoing, Partition, Position, Record
from workers.cli import main
from workers.deadletters.done import Done
from workers.deadletters.letters import REPLAY_HEADER
from workers.deadletters.plan import Outcome, Rules, Step
from workers.deadletters.replay import Job, Replay, Stored, ends_of, names_of
from workers.deadletters.where import parse_where
from workers.exits import Exit, UserError
from workers.routing import Router

PARTITIONS = 2
REASONS = (Refusal.NO_TEXT, Refusal.UNDECODABLE)


def task_of(name: str) -> dict:
    return {
        "name": "broken",
        "source": {"topic": f"{name}.in", "text": "body"},
        "instructions": "Label the tickets.",
        "fields": {"intent": {"kind": "label", "labels": {"cancel": "", "track": ""}}},
        "routes": {"labelled": f"{name}.labelled", "escalated": f"{name}.escalated", "dead": f"{name}.dead"},
    }


def dying(task: Task, count: int) -> list[tuple[Record, Refusal]]:
    """Return records that die, among them one of null key and value and one of hostile headers."""
    place = Partition(task.source.topic, 0)
    records = [
        Record(place, n, b"key-%d" % (n % 7), b"value-%d" % n, (("x", b"%d" % n),), 1_600_000_000_000 + n) for n in range(count)
    ]
    records[0] = Record(place, 0, None, None, (), 1_600_000_000_000)
    records[1] = Record(place, 1, b"", b"\x1b[2J\xff", (("orig_x", b"\x00"), ("x", b"1"), ("x", b"")), 1_600_000_000_000)
    return [(record, REASONS[record.offset % 2]) for record in records]


async def publish(log: KafkaLog, letters: list[Outgoing], task: Task) -> None:
    """Write the letters as a worker does, in transactions of five, so that markers lie between them."""
    writer = log.writer(f"worker.{task.source.topic}", f"worker.{task.source.topic}")
    await writer.open()
    for start in range(0, len(letters), 5):
        place = Position.restored(Partition(task.source.topic, 0), start)
        await writer.commit(letters[start : start + 5], Committed(place, ""))
    writer.discard()


async def prepare(bootstrap: str, task: Task, count: int) -> list[tuple[Record, Refusal]]:
    """Make the task's topics and fill the dead one."""
    topics = [task.source.topic, *sorted(task.routes.topics())]
    await apply(Connection(bootstrap), plan({}, [WantedTopic(topic, PARTITIONS, 1) for topic in topics]))
    deaths, router, log = dying(task, count), Router(task, "cluster/1"), KafkaLog(Connection(bootstrap))
    await publish(log, [router.dead(Rejected(why, "detail"), record, attempts=1) for record, why in deaths], task)
    await log.close()
    return deaths


async def read_back(bootstrap: str, topic: str) -> list[Record]:
    reader = AIOKafkaConsumer(bootstrap_servers=bootstrap, isolation_level="read_committed", auto_offset_reset="earliest")
    await reader.start()
    try:
        partitions = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        reader.assign(partitions)
        ends, records = await reader.end_offsets(partitions), []
        async with asyncio.timeout(20):
            while any([await reader.position(p) < ends[p] for p in partitions]):
                for partition, some in (await reader.getmany(timeout_ms=100)).items():
                    records += records_of(partition, some)
        return records
    finally:
        await reader.stop()


def identity(record: Record, replays: int | None = None) -> tuple:
    added = () if replays is None else ((REPLAY_HEADER, b"%d" % replays),)
    return record.key, record.value, (*record.headers, *added)


class Killed(Exception):
    """Stands for the end of the process."""


@asynccontextmanager
async def replaying(bootstrap: str, task: Task, *where: str):
    group, transactional_id = names_of("nanotriage", "nanotriage." + task.source.topic, task.name)
    rules = Rules(task.name, task.source.topic, parse_where(where), max_replays=1, now_ms=1_700_000_000_000)
    job = Job(rules, task.routes.dead, group, transactional_id)
    log = KafkaLog(Connection(bootstrap))
    async with kafka_reader(Connection(bootstrap), chunk_records=10) as reader:
        yield Replay(log, reader, job, await ends_of(log, reader, job))
    await log.close()


async def test_an_interrupted_replay_doubles_nothing_and_what_dies_again_is_refused(bootstrap):
    """Killed twice between transactions, overtaken once, with and without conditions; then the loop guard."""
    task = Task.model_validate(task_of("dlq-replay"))
    deaths = await prepare(bootstrap, task, 80)
    for where in (("reason=no_text",), ()):
        calls = iter(range(3))

        def killed(_: int, calls=calls) -> None:
            if next(calls, None) is None:
                raise Killed

        async with replaying(bootstrap, task, *where) as replay:
            with pytest.raises(Killed):
                await replay.run(killed)
        assert max(Counter(identity(r) for r in await read_back(bootstrap, task.source.topic)).values()) == 1
    async with replaying(bootstrap, task) as first, replaying(bootstrap, task) as second:
        await first._open()
        await second.run(lambda _: None)
        with pytest.raises(UserError, match="took over"):
            await first._commit(*stale(task))
    back = await read_back(bootstrap, task.source.topic)
    assert Counter(map(identity, back)) == Counter(identity(record, 1) for record, _ in deaths)

    log, router = KafkaLog(Connection(bootstrap)), Router(task, "cluster/1")
    await publish(log, [router.dead(Rejected(Refusal.NO_TEXT), record, attempts=1) for record in back], task)
    await log.close()
    async with replaying(bootstrap, task) as replay:
        assert await replay.run(lambda _: None) == {Outcome.REPLAYED_TOO_OFTEN: len(back)}
    assert len(await read_back(bootstrap, task.source.topic)) == len(back)


def stale(task: Task):
    """Return what a replay that was overtaken would still commit."""
    ghost = Outgoing(task.source.topic, b"k", b"ghost", ())
    return Stored(Partition(task.routes.dead, 0), None, Done(), 0), Step((ghost,), Done(((0, 1),)), Counter())


def test_the_commands_list_show_and_send_back(bootstrap, tmp_path, capsys):
    """A dry run changes nothing, the list sums by reason, a letter cannot drive the terminal, a second replay is empty."""
    raw = task_of("dlq-commands")
    task = Task.model_validate(raw)
    file = tmp_path / "task.yaml"
    file.write_text(yaml.safe_dump(raw), encoding="utf-8")
    deaths = asyncio.run(prepare(bootstrap, task, 30))
    flags = ["--task", str(file), "--brokers", bootstrap]

    def said(*args: str, code: int = Exit.OK) -> str:
        assert main(["dlq", *args, *flags]) == code
        return capsys.readouterr().out

    listed = json.loads(said("ls", "--json", "--max", "100"))
    assert {row["reason"]: row["letters"] for row in listed["by_reason"]} == {"no_text": 15, "undecodable": 15}
    assert len(listed["rows"]) == len(deaths)
    assert "15" in said("ls", "--where", "reason=no_text", "--max", "3")
    (hostile,) = [row for row in listed["rows"] if row["source"].endswith("/1")]
    shown = said("show", f"{hostile['partition']}/{hostile['offset']}")
    assert "nt_reason" in shown
    assert "\x1b" not in shown
    assert "no place of a letter" in failed(main, capsys, ["dlq", "show", "x", *flags])
    assert "nobody can be asked" in failed(main, capsys, ["dlq", "replay", "--json", *flags])

    planned = json.loads(said("replay", "--dry-run", "--json"))
    assert (planned["dry_run"], planned["outcomes"]["replayed"]) == (True, len(deaths))
    assert asyncio.run(read_back(bootstrap, task.source.topic)) == []
    assert asyncio.run(committed(bootstrap, planned["group"], task)) == {None}

    assert json.loads(said("replay", "--yes", "--json", "--where", "reason=no_text"))["outcomes"]["replayed"] == 15
    assert said("replay", "--yes").startswith(f"15 letters sent back to {task.source.topic}")
    assert said("replay", "--yes").startswith("0 letters")
    back = asyncio.run(read_back(bootstrap, task.source.topic))
    assert Counter(map(identity, back)) == Counter(identity(record, 1) for record, _ in deaths)


def failed(run, capsys, args: list[str]) -> str:
    assert run(args) == Exit.USAGE
    return capsys.readouterr().err


async def committed(bootstrap: str, group: str, task: Task) -> set[Committed | None]:
    log = KafkaLog(Connection(bootstrap))
    try:
        return {await log.committed(group, Partition(task.routes.dead, number)) for number in range(PARTITIONS)}
    finally:
        await log.close()
