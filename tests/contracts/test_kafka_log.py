"""What only a real Kafka can show of its adapter: limits of the broker, refusals, provisioning."""

import asyncio
import contextlib
import logging
import time

import pytest
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.transaction import AddOffsetsToTxnRequest, EndTxnRequest, TxnOffsetCommitRequest

from tests.contracts.log_suite import KafkaBench, Member, new_name
from topics.broker_features import release_of
from topics.connection import Connection, Plaintext, Sasl, Secret
from topics.embedded.runtime import kafka_version
from topics.errors import LogRefused, LogUnavailable, RecordTooLarge, WriterLost
from topics.kafka import IntakeTimings, KafkaLog, WriterSettings, quiet_aiokafka
from topics.provision import Create, Differs, Fine, Grow, WantedTopic, apply, plan, read_topics
from topics.record import Committed, Outgoing, Partition, Position


@pytest.fixture
async def bench(kafka):
    made = KafkaBench(kafka.bootstrap)
    yield made
    await made.close()


@pytest.fixture
def nobody(unused_tcp_port):
    """An address where nobody listens."""
    return Connection(f"127.0.0.1:{unused_tcp_port}", Plaintext())


@pytest.fixture
async def silent():
    """A server that accepts connections and never answers, as a broker that is stuck."""
    writers = []
    server = await asyncio.start_server(lambda _, writer: writers.append(writer), "127.0.0.1", 0)
    yield Connection(f"127.0.0.1:{server.sockets[0].getsockname()[1]}", Plaintext())
    server.close()
    for writer in writers:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def at(partition, offset):
    return Committed(Position.restored(partition, offset), "")


@pytest.mark.broker
async def test_batches_shrink_to_what_a_topic_takes(bench, kafka):
    """A topic with a small max.message.bytes gets all records in the end; one that can never fit is named."""
    connection, topic, group, transactional_id = Connection(kafka.bootstrap), new_name(), new_name(), new_name()
    await apply(connection, plan({}, [WantedTopic(topic, 1, 1, {"max.message.bytes": "20000"})]))
    log = KafkaLog(connection, writers=WriterSettings(compression=None))
    burst, tries = [Outgoing(topic, b"k", b"%d." % n + b"x" * 3000, ()) for n in range(50)], 0
    while await log.committed(group, Partition(topic, 0)) is None:
        tries += 1
        assert tries < 10
        writer = log.writer(transactional_id, group)
        await writer.open()
        try:
            await writer.commit(burst, at(Partition(topic, 0), 50))
        except WriterLost:
            writer.discard()
    assert [int(r.value.partition(b".")[0]) for r in await bench.read(topic)] == list(range(50))
    assert tries > 1
    with pytest.raises(RecordTooLarge) as refused:
        await writer.commit([burst[0], Outgoing(topic, b"k", b"x" * 30_000, ())], at(Partition(topic, 0), 51))
    assert refused.value.index == 1
    writer.discard()
    await log.close()
    assert len(await bench.read(topic)) == 50


@pytest.mark.broker
@pytest.mark.parametrize("request_type", [EndTxnRequest, TxnOffsetCommitRequest, AddOffsetsToTxnRequest])
async def test_a_transaction_whose_request_was_sent_twice_is_in_doubt(bench, kafka, monkeypatch, request_type):
    """aiokafka repeats an unanswered request and is content; we are not, because the first one may still arrive."""
    send, lost = AIOKafkaClient.send, []

    async def losing_one_answer(self, node_id, request, **options):
        answer = await send(self, node_id, request, **options)
        if isinstance(request, request_type) and not lost:
            lost.append(request)
            raise KafkaConnectionError("reset by peer")
        return answer

    monkeypatch.setattr(AIOKafkaClient, "send", losing_one_answer)
    source, target, group, transactional_id = Partition(await bench.create(1), 0), await bench.create(1), new_name(), new_name()
    writer = bench.log.writer(transactional_id, group)
    await writer.open()
    with pytest.raises(WriterLost, match="sent twice"):
        await writer.commit([Outgoing(target, b"k", b"v", ())], at(source, 1))
    assert lost
    writer.discard()
    successor = bench.log.writer(transactional_id, group)
    await successor.open()
    assert await bench.log.committed(group, source) == at(source, 1), "read back: it was committed after all"
    await successor.commit([Outgoing(target, b"k", b"w", ())], at(source, 2))
    successor.discard()
    assert [record.value for record in await bench.read(target)] == [b"v", b"w"]


@pytest.mark.broker
async def test_credentials_a_broker_does_not_take_are_refused_in_a_sentence(kafka):
    """Credentials on a port that takes none are a refusal, not an outage, for each part of the log."""
    connection = Connection(kafka.bootstrap, Sasl("PLAIN", "user", Secret("hunter2"), None))
    log = KafkaLog(connection)
    writer, intake = log.writer(new_name(), new_name()), log.intake(new_name())
    for attempt in (log.cluster_id(), writer.open(), intake.start(["t"], Member(intake)), read_topics(connection, [])):
        with pytest.raises(LogRefused) as refused:
            await attempt
        assert "SASL" in str(refused.value)
        assert "hunter2" not in str(refused.value)
    await log.close()


@pytest.mark.broker
async def test_the_release_a_cluster_works_at_is_known(kafka):
    """The embedded Kafka says by its feature level what it is."""
    log = KafkaLog(Connection(kafka.bootstrap))
    assert release_of(await log.metadata_version()) == kafka_version().rpartition(".")[0]
    await log.close()


async def test_nobody_listening_is_an_outage(nobody):
    """When no broker can be reached every part says LogUnavailable at once, naming the address."""
    log = KafkaLog(nobody)
    writer, intake = log.writer("t", "g"), log.intake("g")
    started = time.monotonic()
    for attempt in (
        log.cluster_id(),
        log.metadata_version(),
        log.partitions("t"),
        log.committed("g", Partition("t", 0)),
        writer.open(),
        intake.start(["t"], Member(intake)),
        read_topics(nobody, []),
    ):
        with pytest.raises(LogUnavailable, match=nobody.brokers):
            await attempt
    await intake.stop()
    await log.close()
    assert time.monotonic() - started < 5


async def test_a_broker_that_never_answers_does_not_hold_anybody(silent):
    """Opening a writer ends in time, and closing does not wait for the broker."""
    log = KafkaLog(silent, writers=WriterSettings(open_seconds=0.5))
    writer = log.writer("t", "g")
    started = time.monotonic()
    with pytest.raises(LogUnavailable):
        await writer.open()
    writer.discard()
    await log.close()
    assert time.monotonic() - started < 5


@pytest.mark.broker
async def test_topics_are_created_and_grown_but_never_shrunk(kafka):
    """apply() makes the cluster as planned; what it may not change is reported and stays."""
    connection, name = Connection(kafka.bootstrap), new_name()
    wanted = [WantedTopic(name, 2, 1, {"retention.ms": "3600000"})]
    first = plan(await read_topics(connection, wanted), wanted)
    assert first.rows == (Create(wanted[0]),)
    await apply(connection, first)
    assert plan(await read_topics(connection, wanted), wanted).rows == (Fine(wanted[0]),)
    larger = [WantedTopic(name, 5, 1, {"retention.ms": "7200000"})]
    second = plan(await read_topics(connection, larger), larger)
    assert second.rows == (Grow(larger[0], 2), Differs(larger[0], ("has retention.ms=3600000, wanted is 7200000",)))
    await apply(connection, second)
    (row,) = plan(await read_topics(connection, larger), larger).rows
    assert isinstance(row, Differs)
    smaller = [WantedTopic(name, 1, 1)]
    third = plan(await read_topics(connection, smaller), smaller)
    assert not third.changes
    await apply(connection, third)
    assert (await read_topics(connection, smaller))[name].partitions == 5


@pytest.mark.broker
async def test_a_topic_that_cannot_be_created_is_refused_in_a_sentence(kafka):
    """More replicas than brokers is the operator's to change."""
    todo = plan({}, [WantedTopic(new_name(), 1, 7)])
    with pytest.raises(LogRefused, match="cannot be created"):
        await apply(Connection(kafka.bootstrap), todo)


def test_timings_that_contradict_each_other_are_refused():
    """A revocation that outlasts the rebalance, or a commit that outlasts its request, cannot be set."""
    with pytest.raises(ValueError, match="revoke < rebalance"):
        IntakeTimings(revoke=20)
    with pytest.raises(ValueError, match="commit and open < request"):
        WriterSettings(commit_seconds=30)


@pytest.fixture
def root_at_debug():
    loggers = [logging.getLogger(name) for name in ("", "aiokafka", "aiokafka.conn")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
    yield
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


def test_aiokafka_never_logs_below_info(root_at_debug):
    """Requests with passwords and message bodies are logged at DEBUG: no setting lets them through."""
    quiet_aiokafka()
    for name in ("aiokafka", "aiokafka.conn", "aiokafka.producer.producer"):
        assert not logging.getLogger(name).isEnabledFor(logging.DEBUG)
        assert logging.getLogger(name).isEnabledFor(logging.INFO)


@pytest.mark.broker
async def test_a_member_writer_gets_over_what_a_topic_refuses(bench, kafka):
    """Without transactions too, a record the broker refuses is named, and a new producer goes on where the old one failed."""
    connection, source, topic, group = Connection(kafka.bootstrap), await bench.create(1), new_name(), new_name()
    await apply(connection, plan({}, [WantedTopic(topic, 1, 1, {"max.message.bytes": "20000"})]))
    log = KafkaLog(connection, writers=WriterSettings(compression=None))
    member = Member(log.intake(group))
    await member.intake.start([source], member)
    refused, other = member.intake.writer(), member.intake.writer()
    await asyncio.gather(refused.open(), other.open())
    small, large = Outgoing(topic, b"k", b"small", ()), Outgoing(topic, b"k", b"x" * 30_000, ())
    with pytest.raises(RecordTooLarge) as named:
        await refused.commit([large], at(Partition(source, 0), 1))
    assert named.value.index == 0
    with pytest.raises(WriterLost):
        await other.commit([small], at(Partition(source, 0), 1))
    for writer in (refused, other):
        await writer.open()
        await writer.commit([small], at(Partition(source, 0), 1))
    assert {r.value for r in await bench.read(topic)} == {b"small"}
    await member.stop()
    await log.close()
