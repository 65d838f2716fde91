"""aiokafka's private attributes and internal modules that the adapter uses: one test for each, to read before an upgrade."""

import asyncio
import inspect
import os
from dataclasses import replace

import aiokafka
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition, errors
from aiokafka.client import AIOKafkaClient
from aiokafka.conn import collect_hosts, create_conn
from aiokafka.consumer.fetcher import Fetcher
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.consumer.subscription_state import SubscriptionState
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from aiokafka.partitioner import murmur2 as their_murmur2
from aiokafka.producer.message_accumulator import MessageBatch
from aiokafka.producer.sender import BaseHandler, EndTxnHandler
from aiokafka.producer.transaction_manager import TransactionManager
from aiokafka.protocol.commit import OffsetCommitRequest
from aiokafka.protocol.coordination import FindCoordinatorRequest
from aiokafka.protocol.metadata import MetadataRequest
from aiokafka.protocol.offset import OffsetRequest

from topics.connection import Connection, Plaintext, Sasl, Secret, client_options
from topics.kafka.fresh import keep_fresh
from topics.kafka.packing import BATCH_HEADER_BYTES, pack
from topics.kafka.strays import Strays
from topics.offset_fetch import NO_OFFSET, FetchedOffset, OffsetFetchRequestV7, OffsetFetchResponseV7, StableOffsetFetch
from topics.partitioner import murmur2
from topics.record import Outgoing, Partition


@pytest.fixture
async def producer():
    made = AIOKafkaProducer(transactional_id="t", max_batch_size=1000)
    yield made
    made._closed = True


@pytest.fixture
async def consumer():
    made = AIOKafkaConsumer(group_id="g")
    yield made
    made._closed = True


def test_the_version_is_the_one_read():
    """Everything below was read in 0.14: another minor version must be read again."""
    assert aiokafka.__version__.startswith("0.14.")


def test_murmur2_is_theirs():
    """Our faster hash and partition choice equal aiokafka's, which equals Kafka's."""
    for size in range(70):
        data = os.urandom(size)
        assert murmur2(data) == their_murmur2(data)


def test_offset_fetch_v7_request_bytes():
    """The request is encoded as Kafka's OffsetFetchRequest.json version 7 says."""
    request = StableOffsetFetch("gr", Partition("to", 5)).prepare({9: (1, 9)})
    assert isinstance(request, OffsetFetchRequestV7)
    assert request.encode() == b"\x03gr" + b"\x02" + b"\x03to" + b"\x02\x00\x00\x00\x05" + b"\x00" + b"\x01" + b"\x00"
    assert request.build_request_header(1, "me").encode() == b"\x00\x09\x00\x07\x00\x00\x00\x01\x00\x02me\x00"


def test_offset_fetch_v7_response_bytes():
    """A response's one row is read: offset, metadata (null is empty) and error."""
    row = b"\x00\x00\x00\x05" + b"\x00" * 7 + b"\x2a" + b"\xff" * 4 + b"\x03v1" + b"\x00\x58" + b"\x00"
    body = b"\x00" * 4 + b"\x02" + b"\x03to" + b"\x02" + row + b"\x00" + b"\x00\x00" + b"\x00"
    assert FetchedOffset.of(OffsetFetchResponseV7.decode(body)) == FetchedOffset(88, 42, "v1")
    null = body.replace(b"\x03v1", b"\x00")
    assert FetchedOffset.of(OffsetFetchResponseV7.decode(null)).metadata == ""
    refused = b"\x00" * 4 + b"\x01" + b"\x00\x10" + b"\x00"
    assert FetchedOffset.of(OffsetFetchResponseV7.decode(refused)) == FetchedOffset(16, NO_OFFSET, "")


def test_offset_fetch_on_an_old_broker():
    """A broker without version 7 makes the request fail to prepare, which is told as a refusal."""
    with pytest.raises(NotImplementedError):
        StableOffsetFetch("g", Partition("t", 0)).prepare({9: (0, 6)})


def test_requests_of_the_type_layer():
    """The requests the questions are made of take the arguments we give."""
    row = (0, 5, "v1:")
    commit = OffsetCommitRequest("g", 7, "member", OffsetCommitRequest.DEFAULT_RETENTION_TIME, [("t", [row])]).prepare(
        {8: (2, 9)}
    )
    assert commit.encode().endswith(b"\x00\x00\x00\x00" + b"\x00" * 7 + b"\x05" + b"\x00\x03v1:")
    assert FindCoordinatorRequest("g", 0).prepare({10: (0, 4)})
    assert MetadataRequest(["t"], allow_auto_topic_creation=False).prepare({3: (4, 12)})
    assert OffsetRequest(-1, 1, [("t", [(0, -2)])]).prepare({2: (1, 8)})


def test_create_conn_takes_our_options():
    """The probe for an unreachable broker's reason passes the client's options on."""
    names = inspect.signature(create_conn).parameters
    assert {"client_id", "request_timeout_ms", "ssl_context", "security_protocol", "sasl_mechanism"} <= set(names)
    assert {"sasl_plain_username", "sasl_plain_password"} <= set(names)
    assert {(host, port) for host, port, _ in collect_hosts(["a:1", "b:2"])} == {("a", 1), ("b", 2)}


def test_client_methods():
    """The shared client's methods are coroutines and functions of the names we call."""
    for name in ("bootstrap", "send", "close", "coordinator_lookup"):
        assert inspect.iscoroutinefunction(getattr(AIOKafkaClient, name))
    assert callable(AIOKafkaClient.get_random_node)


async def test_producer_sender_task(producer):
    """`_sender.sender_task` is the task to cancel, None before start."""
    assert producer._sender.sender_task is None
    assert isinstance(type(producer._sender).sender_task, property)


async def test_producer_closed(producer):
    """`_closed` False is what the destructor warns of."""
    assert producer._closed is False
    assert "_closed is False" in inspect.getsource(type(producer).__del__)


async def test_producer_client_is_asked_for_coordinators(producer):
    """The sender looks coordinators up through `producer.client.coordinator_lookup`, so replacing it ends its loop."""
    assert producer._sender.client is producer.client

    async def refuse(*_):
        raise errors.ProducerClosed

    producer.client.coordinator_lookup = refuse
    with pytest.raises(errors.KafkaError):
        await producer._sender._find_coordinator(1, "t")


async def test_producer_transaction_waiter(producer):
    """`_txn_manager.wait_for_transaction_end()` gives the transaction's future, None before the first."""
    assert producer._txn_manager.wait_for_transaction_end() is None
    manager = TransactionManager("t", 1000)
    manager.set_pid_and_epoch(1, 0)
    manager.begin_transaction()
    manager.fatal_error(errors.ProducerFenced())
    assert isinstance(manager.wait_for_transaction_end().exception(), errors.ProducerFenced)


async def test_producer_waiting_batches(producer):
    """`_message_accumulator._batches` holds the batches by partition, each with the future `_drain_waiter`."""
    builder = producer.create_batch()
    producer._txn_manager.set_pid_and_epoch(1, 0)
    producer._txn_manager.begin_transaction()
    await producer._message_accumulator.add_batch(builder, TopicPartition("t", 0), 1)
    ((batch,),) = producer._message_accumulator._batches.values()
    assert isinstance(batch, MessageBatch)
    assert isinstance(batch._drain_waiter, asyncio.Future)
    assert producer._message_accumulator._pending_batches == set()


async def test_producer_tells_whoever_waits_that_it_is_gone(producer):
    """`_message_accumulator.fail_all` gives the error to everybody who waits for a record, and to whoever sends later."""
    producer._txn_manager.set_pid_and_epoch(1, 0)
    producer._txn_manager.begin_transaction()
    builder = producer.create_batch()
    sent = await producer._message_accumulator.add_batch(builder, TopicPartition("t", 0), 1)
    ((batch,),) = producer._message_accumulator._batches.values()
    producer._message_accumulator.fail_all(errors.ProducerClosed())
    with pytest.raises(errors.ProducerClosed):
        await sent
    assert isinstance(batch._drain_waiter.exception(), errors.ProducerClosed)
    with pytest.raises(errors.ProducerClosed):
        await producer._message_accumulator.add_batch(producer.create_batch(), TopicPartition("t", 1), 1)


async def test_a_producer_without_transactional_id_is_idempotent():
    """`enable_idempotence` alone makes a producer id, and no transaction is asked for."""
    made = AIOKafkaProducer(transactional_id=None, enable_idempotence=True, acks="all", transaction_timeout_ms=1000)
    assert made._txn_manager.transactional_id is None
    assert made._txn_manager.wait_for_transaction_end() is None
    made._closed = True


async def test_builder_sizes(producer):
    """A builder takes its first record whatever its size, says its size, and answers None when it is full."""
    builder = producer.create_batch()
    assert builder.append(timestamp=None, key=b"k", value=b"x" * 5000, headers=[]).size > 5000
    assert builder.append(timestamp=None, key=b"k", value=b"x", headers=[]) is None
    alone = producer.create_batch()
    size = alone.append(timestamp=None, key=b"k", value=b"x" * 100, headers=[("h", b"1")]).size
    assert alone.size() == size + BATCH_HEADER_BYTES


async def test_packing_keeps_order_and_fills_batches(producer):
    """Packets of one partition follow each other in the records' order, and none is above the batch size."""
    outgoing = [Outgoing("t", b"k", b"%03d" % n + b"x" * 300, ()) for n in range(10)]
    packets = pack(outgoing, {"t": 4}, 0, new_batch=producer.create_batch, max_bytes=10_000)
    assert [p.records for p in packets] == [2, 2, 2, 2, 2]
    assert len({p.partition for p in packets}) == 1
    assert all(p.batch.size() <= 1000 for p in packets)


async def test_consumer_parts(consumer):
    """`_client`, `_fetcher` and `_coordinator` are the consumer's parts; the last two are None before start."""
    assert isinstance(consumer._client, AIOKafkaClient)
    assert consumer._fetcher is None
    assert consumer._coordinator is None
    assert inspect.iscoroutinefunction(Fetcher.close)
    assert "self._pending_tasks = set()" in inspect.getsource(Fetcher.__init__)
    assert "self._coordination_task = create_task" in inspect.getsource(GroupCoordinator.__init__)


def test_coordinator_generation():
    """`generation` and `member_id` are the member's seat; a coordinator that does not know us makes the generation -1."""
    source = inspect.getsource(GroupCoordinator.reset_generation)
    assert "self.generation = OffsetCommitRequest.DEFAULT_GENERATION_ID" in source
    assert "self.member_id = JoinGroupRequest.UNKNOWN_MEMBER_ID" in source
    assert OffsetCommitRequest.DEFAULT_GENERATION_ID == -1


async def test_positions_by_partition():
    """`subscription.assignment.state_value` has a partition's position, without a wait; getmany moves it past markers too."""
    state = SubscriptionState()
    state.subscribe({"t"}, None)
    assert state.subscription.assignment is None
    state.assign_from_subscribed({TopicPartition("t", 0)})
    place = state.subscription.assignment.state_value(TopicPartition("t", 0))
    assert not place.has_valid_position
    place.seek(7)
    assert place.has_valid_position
    assert place.position == 7
    assert state.subscription.assignment.state_value(TopicPartition("t", 1)) is None


async def test_a_client_takes_its_password_at_each_connection(monkeypatch):
    """`create_conn` is given `_sasl_plain_password` as it is then; a file that is gone for a moment is no password lost."""
    seen, passwords = [], ["old", "new"]

    async def refuse(*_, sasl_plain_password, **__):
        seen.append(sasl_plain_password)
        raise OSError

    monkeypatch.setattr("aiokafka.client.create_conn", refuse)
    connection = Connection("a:1", Sasl("PLAIN", "me", lambda: passwords.pop(0), None))
    client = AIOKafkaClient(
        **client_options(replace(connection, security=replace(connection.security, password=Secret("first"))))
    )
    keep_fresh(client, connection)
    for _ in range(3):
        with pytest.raises(errors.KafkaConnectionError):
            await client.bootstrap()
    assert seen == ["old", "new", "new"]


async def test_a_password_that_cannot_change_is_left_alone():
    """A client of a fixed password, or of none, stays aiokafka's own."""
    for security in (Plaintext(), Sasl("PLAIN", "me", Secret("fixed"), None)):
        client = AIOKafkaClient(**client_options(Connection("a:1", security)))
        keep_fresh(client, Connection("a:1", security))
        assert type(client) is AIOKafkaClient


def test_static_members():
    """A static member leaves nothing when it stops; a cancelled "revoked" callback ends the coordination before it joins again."""
    assert "self._group_instance_id is None" in inspect.getsource(GroupCoordinator._maybe_leave_group)
    prepare = inspect.getsource(GroupCoordinator._on_join_prepare)
    assert "await res" in prepare
    assert "except Exception:" in prepare
    assert "except BaseException" not in prepare
    assert "except asyncio.CancelledError:  # pragma: no cover\n            raise" in inspect.getsource(
        GroupCoordinator._coordination_routine
    )


def test_sticky_assignor_keeps_its_state_in_the_class():
    """Each member needs a subclass of its own: on_assignment writes to the class."""
    one, two = (type("Sticky", (StickyPartitionAssignor,), {}) for _ in range(2))
    one.member_assignment = [TopicPartition("t", 0)]
    assert two.member_assignment is None
    assert "cls.member_assignment" in inspect.getsource(StickyPartitionAssignor.on_assignment)


def test_getmany_with_an_alien_partition_takes_nothing():
    """A partition that is not assigned is skipped, not refused; no partition at all would mean every partition."""
    assert "if partitions and tp not in partitions" in inspect.getsource(Fetcher.fetched_records)


async def test_producer_sends_through_its_client(producer):
    """The sender asks `client.send` for the attribute each time, so that a wrapper sees every request and its failure."""
    assert "self._sender.client.send(node_id, req, group=self.group)" in inspect.getsource(BaseHandler.do)
    strays = Strays(producer)
    handler = EndTxnHandler(producer._sender, commit_result=1)
    producer._txn_manager.set_pid_and_epoch(1, 0)
    assert await handler.do(7) is False, "no node is ready: aiokafka will try again"
    assert strays.seen == 1
