"""`nanotriage audit` on a real Kafka: from what was put up to findings, an alarm, and its end."""

import asyncio
import json
import uuid
from dataclasses import replace

import orjson
import pytest
import yaml

from schemas.auditing import Finding, Resumption
from schemas.events import Claim
from schemas.task import Task
from tests.calibrations import calibration_of
from tests.helpers import until_true
from tests.unit.auditing.house import LOADED, AuditHouse, badly, truth
from topics.connection import Connection
from topics.kafka import KafkaLog
from topics.provision import WantedTopic, apply, plan
from topics.record import Committed, Outgoing, Partition, Position
from workers.auditing.desk import notes, tell
from workers.calibrationfiles import write_calibration
from workers.cli import main
from workers.exits import Exit
from workers.lifecycle import Worker, run_worker


@pytest.fixture
def bootstrap(kafka):
    return kafka.bootstrap


def task_file(folder, name: str):
    topics = {role: f"{name}.{role}" for role in ("labelled", "escalated", "dead", "audit", "findings")}
    raw = {
        "name": "tickets",
        "source": {"topic": f"{name}.in", "text": "body"},
        "instructions": "Label the tickets.",
        "fields": {"intent": {"kind": "label", "labels": {"cancel": "", "track": ""}}},
        "promise": {"error": 0.05},
        "routes": topics,
    }
    path = folder / "task.yaml"
    path.write_text(yaml.safe_dump(raw), encoding="utf-8")
    return path, Task.model_validate(raw)


async def put_up(bootstrap: str, task: Task, calibration: str, count: int) -> None:
    """Write audit events as a worker does, in a transaction."""
    log = KafkaLog(Connection(bootstrap))
    events = [
        orjson.dumps(
            {
                "event": "nanotriage.audit.v1",
                "message": {"id": f"T-{number}"},
                "text": f"text \x1b[2J {number}",
                "claim": {"id": f"e{number}", "task": "tickets", "calibration": calibration, "labels": {"intent": "cancel"}},
            }
        )
        for number in range(count)
    ]
    writer = log.writer(uuid.uuid4().hex, uuid.uuid4().hex)
    await writer.open()
    place = Position.restored(Partition(task.source.topic, 0), 0)
    await writer.commit([Outgoing(task.routes.audit, None, event, ()) for event in events], Committed(place, ""))
    writer.discard()
    await log.close()


async def told(bootstrap: str, topic: str):
    log = KafkaLog(Connection(bootstrap))
    try:
        return await notes(log, topic, lambda _count: None)
    finally:
        await log.close()


def test_what_was_put_up_is_listed_submitted_reported_and_resumed(bootstrap, tmp_path, capsys):
    """Each finding counts once, four wrong ones raise the alarm, the report exits with 1 until somebody resumes."""
    path, task = task_file(tmp_path, f"audit-{uuid.uuid4().hex[:8]}")
    calibration = calibration_of(task)
    write_calibration(calibration, tmp_path / "tickets.calibration.json")
    flags = ["--task", str(path), "--brokers", bootstrap]

    def said(*args: str, code: int = Exit.OK) -> str:
        assert main([*args, *flags]) == code
        return capsys.readouterr().out

    made = json.loads(said("topics", "apply", "--create-source", "--partitions", "2", "--json"))
    assert {line["role"]: line["action"] for line in made}["findings"] == "create"
    assert {line["action"] for line in json.loads(said("topics", "plan", "--json"))} == {"fine"}
    asyncio.run(put_up(bootstrap, task, calibration.identity, 6))
    assert "\x1b" not in said("audit", "list")
    assert "see `nanotriage audit list`" in said("audit", "report")
    filled = tmp_path / "findings.jsonl"
    assert said("audit", "list", "--max", "5", "--out", str(filled)).startswith("5 written")
    rows = [orjson.loads(line) | {"labels": {"intent": "track"}} for line in filled.read_bytes().splitlines()]
    rows[0]["labels"] = {}
    filled.write_bytes(b"\n".join(map(orjson.dumps, rows)))
    assert said("audit", "submit", str(filled), "--by", "anna").startswith("4 findings published")
    said("audit", "submit", str(filled))
    assert len(json.loads(said("audit", "list", "--json"))) == 2
    report = json.loads(said("audit", "report", "--json", code=Exit.FAILED))
    assert (report["status"], report["fields"]["*"]["wrong"], report["fields"]["*"]["audited"]) == ("broken", 4, 4)
    assert "trusted again" in said("audit", "resume", "--because", "wrong codebook")
    assert "Nothing was found out" in said("audit", "report")
    assert isinstance(asyncio.run(told(bootstrap, task.routes.findings))[-1], Resumption)


async def test_a_worker_follows_the_findings_of_a_real_kafka(bootstrap, tmp_path):
    """Its labelled messages are put up in their transactions, and wrong ones that are found stop its labels while it runs."""
    _, task = task_file(tmp_path, f"audited-{uuid.uuid4().hex[:8]}")
    topics = [task.source.topic, *sorted(task.routes.topics()), *task.routes.audits().values()]
    await apply(Connection(bootstrap), plan({}, [WantedTopic(topic, 1, 1) for topic in topics]))
    log = KafkaLog(Connection(bootstrap))
    house = AuditHouse(**{"audit.share": 1.0, "kafka.group": task.source.topic, "kafka.app": task.source.topic})
    loaded = replace(LOADED, task=task)
    house.model.label = badly
    made = {task.name: await house.calibration(loaded)}
    of_worker = KafkaLog(Connection(bootstrap))
    worker = Worker(house.settings, [loaded], of_worker, house.model, "test", 20.0, made, look_seconds=0.1)
    stop = asyncio.Event()
    running = asyncio.ensure_future(run_worker(worker, stop))

    async def send(first: int, count: int) -> None:
        writer = log.writer(uuid.uuid4().hex, uuid.uuid4().hex)
        await writer.open()
        bodies = [orjson.dumps({"body": f"where is {number}"}) for number in range(first, first + count)]
        place = Position.restored(Partition(task.source.topic, 0), 0)
        await writer.commit([Outgoing(task.source.topic, None, body, ()) for body in bodies], Committed(place, ""))
        writer.discard()

    async def read(topic: str) -> list[dict]:
        async with log.reader() as reader:
            place = Partition(topic, 0)
            end = (await reader.ends([place]))[place]
            chunks = [chunk async for chunk in reader.read(Position.restored(place, 0), end)]
        return [orjson.loads(record.value) for chunk in chunks for record in chunk.records]

    async def held_back() -> bool:
        await send(20, 1)
        return any("promise_in_doubt" in str(event["reasons"]) for event in await read(task.routes.escalated))

    try:
        await send(0, 20)
        await until_true(lambda: _as_many(read, task.routes.audit, 18), 30)
        copies, labelled = await read(task.routes.audit), await read(task.routes.labelled)
        assert [copy["source"] for copy in copies] == [event["source"] for event in labelled]
        found = [Finding(claim=Claim(**copy["claim"]), labels={"intent": truth(copy["text"])}) for copy in copies]
        await tell(log, task.routes.findings, uuid.uuid4().hex, found)
        await until_true(held_back, 30)
    finally:
        stop.set()
        await asyncio.wait_for(running, 30)
        await log.close()


async def _as_many(read, topic: str, count: int) -> bool:
    return len(await read(topic)) >= count
