"""The embedded Kafka is a real one, keeps its data through crashes, and leaves no process behind."""

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import UnknownTopicOrPartitionError

from tests.helpers import wait_until
from tests.kafka_fixtures import TopicMaker, make_topic
from topics.embedded import EmbeddedKafka, EmbeddedKafkaError
from topics.embedded.node import Node
from topics.embedded.process import Process

PROJECT = Path(__file__).parents[2]


async def publish(bootstrap: str, topic: str, values: list[bytes], transactional_id: str = "t") -> None:
    """Publish all values in one transaction."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, transactional_id=transactional_id, acks="all")
    async with asyncio.timeout(60), producer, producer.transaction():
        for sent in [await producer.send(topic, value) for value in values]:
            await sent


async def read(bootstrap: str, topic: str, count: int) -> list[bytes | None]:
    """Read so many committed values from the beginning."""
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest", isolation_level="read_committed"
    )
    async with asyncio.timeout(60), consumer:
        return [(await consumer.getone()).value for _ in range(count)]


@pytest.fixture
def own(tmp_path: Path) -> Iterator[EmbeddedKafka]:
    """A cluster of this test's own, not started."""
    cluster = EmbeddedKafka(tmp_path)
    yield cluster
    cluster.destroy()


def leader_of(described: list[dict[str, list[dict[str, int]]]]) -> int:
    return described[0]["partitions"][0]["leader"]


async def test_a_transaction_is_read_back(bootstrap: str, topic_maker: TopicMaker):
    """Only what a transaction committed is seen by a read_committed reader."""
    topic = await topic_maker()
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, transactional_id=topic)
    async with producer:
        await producer.begin_transaction()
        await producer.send_and_wait(topic, b"aborted")
        await producer.abort_transaction()
    await publish(bootstrap, topic, [b"one", b"two"], topic)
    assert await read(bootstrap, topic, 2) == [b"one", b"two"]


async def test_topics_are_made_on_purpose_only(bootstrap: str, topic_maker: TopicMaker):
    """The topic maker gives the partitions asked for, and publishing to an unknown name makes no topic."""
    topic = await topic_maker(3)
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, request_timeout_ms=300)
    async with producer:
        assert len(await producer.partitions_for(topic)) == 3
        with pytest.raises(UnknownTopicOrPartitionError):
            await producer.send_and_wait(f"{topic}-misspelt", b"x")
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    assert f"{topic}-misspelt" not in await admin.list_topics()
    await admin.close()


async def test_data_survive_crash_stop_and_pause(own: EmbeddedKafka, tmp_path: Path):
    """Committed records are there after kill -9, after SIGTERM, after a freeze, and for a new object on the same folder."""
    await asyncio.to_thread(own.start)
    admin = AIOKafkaAdminClient(bootstrap_servers=own.bootstrap)
    await admin.start()
    topic = await make_topic(admin, "kept", 1, 1)
    await admin.close()
    await publish(own.bootstrap, topic, [b"one"])
    node, before = own.node(1), own.bootstrap
    for end in (node.kill, node.stop):
        await asyncio.to_thread(end)
        assert not node.alive()
        await asyncio.to_thread(node.start)
        assert own.bootstrap == before
        assert await read(own.bootstrap, topic, 1) == [b"one"]
    node.pause()
    assert node.alive()
    assert not await asyncio.to_thread(node.ready)
    node.resume()
    assert await read(own.bootstrap, topic, 1) == [b"one"]
    await asyncio.to_thread(own.stop)
    again = EmbeddedKafka(tmp_path)
    await asyncio.to_thread(again.start)
    try:
        assert await read(again.bootstrap, topic, 1) == [b"one"]
    finally:
        await asyncio.to_thread(again.stop)


def test_a_killed_parent_leaves_no_process(own: EmbeddedKafka, tmp_path: Path):
    """kill -9 of the process that started the broker ends the broker and its guard."""
    code = (
        "import sys; from pathlib import Path; from topics.embedded import EmbeddedKafka\n"
        f"kafka = EmbeddedKafka(Path({str(tmp_path)!r})); kafka.start(); print('up', flush=True); sys.stdin.read()"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code], cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "up\n"
        broker = own.node(1).state.process
        assert broker is not None
        assert broker.alive()
        family = [broker, *children(broker)]
        assert len(family) == 2  # the broker and its guard
        parent.send_signal(signal.SIGKILL)
    wait_until(lambda: not any(member.alive() for member in family))


def test_a_second_starter_is_told_what_runs(own: EmbeddedKafka, tmp_path: Path):
    """Starting a cluster that somebody else started is refused in one sentence with its address, and harms nothing."""
    own.start()
    with pytest.raises(EmbeddedKafkaError, match=f"runs already at {own.bootstrap}") as refused:
        EmbeddedKafka(tmp_path).start()
    assert "\n" not in str(refused.value)
    assert own.node(1).ready()


def test_a_start_that_fails_shows_the_log(own: EmbeddedKafka):
    """A broker that cannot start is an error with the end of its log, and leaves no process."""
    own.start()
    own.stop()
    meta = own.node(1).folder / "data" / "meta.properties"
    meta.write_text(meta.read_text().replace("node.id=1", "node.id=7"))
    with pytest.raises(EmbeddedKafkaError, match=r"node 1 ended while starting(.|\n)*7"):
        own.start()
    assert not own.node(1).alive()


def test_commands_start_show_and_stop(tmp_path: Path):
    """`up` leaves a broker that serves after the command ended, a second `up` finds it, and `down` ends it."""

    def command(*arguments: str) -> subprocess.CompletedProcess[str]:
        code = "from workers.commands.kafka import app; app()"
        line = [sys.executable, "-c", code, *arguments, "--data", str(tmp_path), "--json"]
        return subprocess.run(line, cwd=PROJECT, capture_output=True, text=True, check=False, timeout=100)

    try:
        assert command("status").returncode == 1
        first = command("up")
        assert first.returncode == 0, first.stderr
        facts = json.loads(first.stdout)
        assert json.loads(command("up").stdout) == facts
        shown = command("status")
        assert shown.returncode == 0
        assert json.loads(shown.stdout) == facts
        broker = Process.of(facts["nodes"][0]["pid"])
        assert broker is not None
        asyncio.run(read_nothing(facts["bootstrap"]))
    finally:
        stopped = command("down")
    assert stopped.returncode == 0
    assert json.loads(stopped.stdout)["ran"] is True
    assert not broker.alive()
    assert command("status").returncode == 1


def test_the_foreground_ends_with_its_signal(tmp_path: Path):
    """`up --foreground` serves until SIGINT and then takes the broker along, with exit code 0."""
    code = "from workers.commands.kafka import app; app()"
    line = [sys.executable, "-c", code, "up", "--foreground", "--data", str(tmp_path)]
    with subprocess.Popen(line, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as running:
        assert running.stdout is not None
        assert " serves at 127.0.0.1:" in running.stdout.readline()
        broker = EmbeddedKafka.in_data(tmp_path).node(1).state.process
        assert broker is not None
        assert broker.alive()
        running.send_signal(signal.SIGINT)
        assert running.wait(30) == 0
    assert not broker.alive()


@pytest.mark.slow
async def test_three_nodes_lose_one(tmp_path: Path):
    """With the leader of the partition killed, a transaction still commits, and the node comes back."""
    cluster = EmbeddedKafka(tmp_path, nodes=3)
    await asyncio.to_thread(cluster.start)
    try:
        admin = AIOKafkaAdminClient(bootstrap_servers=cluster.bootstrap)
        await admin.start()
        topic = await make_topic(admin, "replicated", 1, 3)
        leader: Node = cluster.node(leader_of(await admin.describe_topics([topic])))
        await publish(cluster.bootstrap, topic, [b"before"])
        await asyncio.to_thread(leader.kill)
        await publish(cluster.bootstrap, topic, [b"after"])
        assert await read(cluster.bootstrap, topic, 2) == [b"before", b"after"]
        await asyncio.to_thread(leader.start)
        await admin.close()
    finally:
        nodes = cluster.nodes
        await asyncio.to_thread(cluster.destroy)
    assert [node.alive() for node in nodes] == [False] * 3
    assert not cluster.folder.exists()


def test_a_reused_process_id_is_not_the_broker():
    """A living process with the recorded id but another start is not taken for the broker, and gets no signal."""
    with subprocess.Popen(["/bin/sleep", "60"]) as bystander:
        now = Process.of(bystander.pid)
        assert now is not None
        stale = Process(now.pid, now.started - 1)
        assert not stale.alive()
        stale.send(signal.SIGKILL)
        assert now.alive()
        now.send(signal.SIGKILL)
    assert now.gone(0)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [({"nodes": 2}, "1 or 3 nodes"), ({"name": "../up"}, "no name for a cluster"), ({"name": ""}, "no name for a cluster")],
)
def test_an_impossible_cluster_is_refused(tmp_path: Path, arguments: dict[str, Any], sentence: str):
    """A size or name that cannot be is refused before anything is written."""
    with pytest.raises(EmbeddedKafkaError, match=sentence):
        EmbeddedKafka(tmp_path, **arguments)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", ["", "[]", '{"cluster_id": "x"}', '{"cluster_id": "x", "nodes": [{}]}'])
def test_a_damaged_state_file_is_one_sentence(tmp_path: Path, content: str):
    """A state file that cannot be read is named, with what to do."""
    cluster = EmbeddedKafka(tmp_path)
    cluster.folder.mkdir(parents=True)
    (cluster.folder / "state.json").write_text(content)
    with pytest.raises(EmbeddedKafkaError, match=r"state\.json is damaged; delete"):
        cluster.start()


def children(process: Process) -> list[Process]:
    """Return the living child processes."""
    ids = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return [child for pid in ids if (child := Process.of(int(pid))) is not None]


async def read_nothing(bootstrap: str) -> None:
    """Join a group and leave it, which a broker that does not serve would refuse."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id="visitor")
    async with asyncio.timeout(30), consumer:
        assert await consumer.topics() == set()
