"""The worker behind TLS, with SCRAM or a certificate, and with no right more than it needs: each is proven by taking it away."""

import json
from contextlib import ExitStack, contextmanager
from dataclasses import replace

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupAuthorizationFailedError, TopicAuthorizationFailedError

from tests.broker.stage import Sent, admin_of, set_stage, tickets
from tests.broker.workers_under_test import Worker, worker_settings
from tests.fakes.model_process import FakeModel
from tests.helpers import wait_until
from tests.kafka_fixtures import make_topic
from tests.secured import Grant, allow, forbid, scaler_grants, secured_kafka, worker_grants
from topics.connection import client_options
from workers.exits import Exit
from workers.settings import load_settings
from workers.wiring.kafka import connection_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]
USERS = ("worker", "scaler")


@pytest.fixture(scope="module")
def scram(tmp_path_factory):
    with secured_kafka(tmp_path_factory.mktemp("scram"), "scram", USERS) as started:
        yield started


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    with secured_kafka(tmp_path_factory.mktemp("certificate"), "certificate", USERS) as started:
        yield started


@pytest.fixture(params=["scram", "certificate"])
def kafka(request):
    """Both ways; rights do not depend on how somebody proves who they are, so other tests take one."""
    return request.getfixturevalue(request.param)


def rights_of(stage, controls=None):
    return worker_grants([stage.source], stage.outputs, stage.group, controls=controls)


async def set_controlled_stage(kafka, folder, partitions):
    """A stage, and its topic for controls."""
    stage = await set_stage(kafka.cluster.bootstrap, folder, partitions)
    controls = f"{stage.name}.controls"
    async with admin_of(kafka.cluster.bootstrap) as admin:
        for topic in (controls, f"{controls}.acks"):
            await make_topic(admin, topic, 1, 1)
    return stage, controls


@contextmanager
def working(stage, who, model, **settings):
    """A worker of the real command line that comes as somebody."""
    environment = worker_settings(stage, model.base_url, **who.settings, **settings)
    worker = Worker(stage, environment, "--patience", "3")
    try:
        yield worker
    finally:
        worker.end()


async def test_a_worker_with_these_rights_does_its_work(kafka, tmp_path):
    """Read on source, group and controls, Write on outcomes, answers and the ids of its transactions; and its log and metrics have no text, key or secret."""
    stage, controls = await set_controlled_stage(kafka, tmp_path, 2)
    who = kafka.identity("worker")
    await allow(kafka, who, rights_of(stage, controls))
    sent = [*tickets(60, keys=10), Sent(b"neither JSON nor harmless: 4111 1111", b"key-of-the-broken-one")]
    await stage.send(sent)
    settings = {"logs__level": "DEBUG", "model__api_key": "sk-of-the-worker", "controls__topic": controls}
    with FakeModel() as model, working(stage, who, model, **settings) as worker:
        await stage.until_progress(61, 60)
        said = worker.get("/metrics")[1].decode()
        assert worker.stop() == Exit.OK, worker.tail()
        said += worker.log.read_text()
    verdict = await stage.judge()
    assert verdict.kept, str(verdict)
    assert verdict.events == 61
    private = [part for one in sent for part in private_parts(one)]
    assert len(private) > 61
    assert [text for text in (*private, "password-of", "PRIVATE KEY", "sk-of-the-worker") if text in said] == []


def private_parts(sent):
    """What of a record may stand in no log line: its text, its key and its bytes."""
    value = sent.value.decode()
    yield value
    yield f'"{sent.key.decode()}"'
    if value.startswith("{"):
        yield json.loads(value)["text"]


NEEDED = (
    "Read the source",
    "Write an outcome",
    "Read the group",
    "Write the transactions",
    "Read the controls",
    "Write the answers",
)


@pytest.mark.parametrize("place", [0, 1, 4, 5, 6, 7], ids=NEEDED)
async def test_without_one_of_them_it_says_which(scram, tmp_path, place):
    """None is superfluous: taken away, nothing is published, and one sentence says what to grant."""
    stage, controls = await set_controlled_stage(scram, tmp_path, 1)
    who = scram.identity("worker")
    rights = rights_of(stage, controls)
    await allow(scram, who, rights)
    await forbid(scram, who, [rights[place]])
    await stage.send(tickets(5, keys=1))
    with FakeModel() as model, working(stage, who, model, controls__topic=controls) as worker:
        wait_until(lambda: not worker.running or b"denied" in worker.get("/ready")[1], 60)
        said = worker.log.read_text()
        assert "denied" in said, said
        assert "Traceback" not in said
    assert (await stage.judge()).events == 0


BESIDE = ("audit", "Write"), ("findings", "Read"), ("summaries", "Write")


async def audited_stage(kafka, folder):
    """A stage whose task has audits, and whose worker sums its commits up; and the rights that this takes besides."""
    folder.mkdir()
    stage = await set_stage(kafka.cluster.bootstrap, folder, 1)
    names = {what: f"{stage.name}.{what}" for what in ("audit", "findings", "summaries")}
    async with admin_of(kafka.cluster.bootstrap) as admin:
        for name in names.values():
            await make_topic(admin, name, 1, 1)
    with stage.task_file.open("a", encoding="utf-8") as file:
        file.write(f"  audit: {names['audit']}\n  findings: {names['findings']}\n")
    return stage, {(what, operation): Grant("topic", names[what], operation) for what, operation in BESIDE}


async def test_audits_and_summaries_take_these_rights_besides(scram, tmp_path):
    """With all three it does its work; without any one it publishes nothing, and one sentence says that it is denied."""
    who = scram.identity("worker")
    with FakeModel() as model, ExitStack() as workers:
        started = {}
        for lacking in (None, *BESIDE):
            stage, beside = await audited_stage(scram, tmp_path / "-".join(lacking or ("all",)))
            await allow(scram, who, [*rights_of(stage), *(grant for right, grant in beside.items() if right != lacking)])
            await stage.send(tickets(5, keys=1))
            more = {"delivery__summary_topic": f"{stage.name}.summaries", "audit__share": 1}
            started[lacking] = stage, workers.enter_context(working(stage, who, model, **more))
        stage, worker = started.pop(None)
        await stage.until_progress(5, 60)
        assert worker.stop() == Exit.OK, worker.tail()
        assert (await stage.judge()).by_topic == {stage.outputs[0]: 5}
        assert len(await stage.read(f"{stage.name}.audit")) == 5
        assert await stage.read(f"{stage.name}.summaries")
        for lacking, (stage, worker) in started.items():
            wait_until(lambda worker=worker: not worker.running or b"denied" in worker.get("/ready")[1], 60)
            said = worker.log.read_text()
            assert "denied" in said, f"without {lacking}: {said}"
            assert "Traceback" not in said
            assert (await stage.judge()).events == 0


async def test_a_stranger_is_told_so(kafka, tmp_path):
    """A wrong password or another authority's certificate ends the start with one sentence and the broker's exit code."""
    stage = await set_stage(kafka.cluster.bootstrap, tmp_path, 1)
    with FakeModel() as model, working(stage, kafka.stranger(), model) as worker:
        assert worker.wait(60) == Exit.BROKER, worker.tail()
        said = worker.log.read_text()
    assert "Traceback" not in said
    assert "not it" not in said


async def test_a_broker_of_another_authority_is_not_trusted(scram, tmp_path):
    """Host and chain are checked: nothing is sent to who cannot prove to be the broker."""
    stage = await set_stage(scram.cluster.bootstrap, tmp_path, 1)
    who = scram.identity("worker")
    without = {name: value for name, value in who.settings.items() if name != "kafka__ca_file"}
    with FakeModel() as model, working(stage, replace(who, settings=without), model) as worker:
        assert worker.wait(60) == Exit.BROKER, worker.tail()
        assert "certificate" in worker.log.read_text().lower()


async def test_the_scaler_sees_the_lag_and_reads_nothing(scram, tmp_path, monkeypatch):
    """Describe on the source and the group: enough for both ends of the lag, not for a record, nor for a commit."""
    stage = await set_stage(scram.cluster.bootstrap, tmp_path, 1)
    who = scram.identity("scaler")
    await allow(scram, who, scaler_grants([stage.source], stage.group))
    await stage.send(tickets(5, keys=1))
    for name, value in who.settings.items():
        monkeypatch.setenv(f"NANOTRIAGE_{name.upper()}", str(value))
    options = client_options(connection_of(load_settings({}).kafka))
    place = TopicPartition(stage.source, 0)
    admin = AIOKafkaAdminClient(**options)
    await admin.start()
    assert await admin.list_consumer_group_offsets(stage.group) == {}
    await admin.close()
    consumer = AIOKafkaConsumer(**options, group_id=stage.group, enable_auto_commit=False)
    await consumer.start()
    try:
        assert await consumer.end_offsets([place]) == {place: 5}
        consumer.assign([place])
        consumer.seek(place, 0)
        with pytest.raises(TopicAuthorizationFailedError):
            await consumer.getone()
        with pytest.raises(GroupAuthorizationFailedError):
            await consumer.commit({place: 1})
    finally:
        await consumer.stop()
