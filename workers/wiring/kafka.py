"""Wiring of the topics: settings become connections, and connections a source."""

import time
from collections.abc import Callable, Sequence
from typing import assert_never

from schemas.task import Task
from topics.connection import Connection, Plaintext, Sasl, Security, Tls
from topics.errors import LogRefused, missing_topic
from topics.kafka import IntakeTimings, KafkaLog
from topics.lane_facts import AtLeastOnce, Delivery, ExactlyOnce, LaneRules
from topics.ledger import Order
from topics.log import Log
from topics.source import Source
from workers.controlling.topics import ControlTopics
from workers.recalling import Recall
from workers.secrets import kafka_password
from workers.setting_delivery import AtLeastOnceSettings, DeliverySettings, ExactlyOnceSettings
from workers.setting_sections import KafkaSettings, Settings
from workers.summing import summariser
from workers.watch import Watch
from workers.wiring.promises import shrinker_of


def connection_of(kafka: KafkaSettings) -> Connection:
    """Return how to reach the cluster. Files are read again when they are replaced, for new connections."""
    tls = Tls(kafka.ca_file, kafka.cert_file, kafka.key_file)
    security: Security
    match kafka.security:
        case "PLAINTEXT":
            security = Plaintext()
        case "SSL":
            security = tls
        case "SASL_PLAINTEXT" | "SASL_SSL":
            if kafka.sasl_mechanism is None or kafka.username is None:
                raise RuntimeError("settings let SASL through without a mechanism and a user")
            encrypted = tls if kafka.security == "SASL_SSL" else None
            security = Sasl(kafka.sasl_mechanism, kafka.username, lambda: _password(kafka), encrypted)
        case _:
            assert_never(kafka.security)
    return Connection(kafka.brokers, security, client_id=kafka.app)


def kafka_log(kafka: KafkaSettings) -> KafkaLog:
    """Return the log on the cluster of the settings; nothing is connected yet."""
    timings = IntakeTimings(session=kafka.session_timeout_seconds, heartbeat=kafka.session_timeout_seconds / 5)
    return KafkaLog(connection_of(kafka), timings=timings, instance_id=kafka.group_instance_id)


def build_recall(task: Task, log: Log) -> Recall | None:
    """Return what reads the task's conversations, or None for a task without a context."""
    return None if task.context is None else Recall(task.context, task.source.topic, log)


def build_source(
    log: Log,
    tasks: Sequence[Task],
    settings: Settings,
    watch: Watch,
    clock: Callable[[], float] = time.monotonic,
    wall: Callable[[], float] = time.time,
) -> Source:
    """Return the source over the tasks' topics."""
    rules = LaneRules(
        group=settings.kafka.group,
        app=settings.kafka.app,
        order=Order(settings.delivery.order),
        shrink=shrinker_of(tasks),
        delivery=delivery_of(settings.delivery),
        commit_seconds=settings.delivery.commit_seconds,
        summarise=None if settings.delivery.summary_topic is None else summariser(settings.delivery.summary_topic, wall),
    )
    return Source(log, rules, watch.lane, clock)


def delivery_of(delivery: DeliverySettings) -> Delivery:
    """Return how the lanes publish."""
    match delivery:
        case ExactlyOnceSettings():
            return ExactlyOnce()
        case AtLeastOnceSettings():
            return AtLeastOnce()
        case unsaid:
            assert_never(unsaid)


def topics_of(settings: Settings) -> list[str]:
    """Return the topics that a worker uses because of its settings, whatever its tasks."""
    summaries = [] if settings.delivery.summary_topic is None else [settings.delivery.summary_topic]
    if settings.controls.topic is None:
        return summaries
    controls = ControlTopics.of(settings.controls.topic)
    return [*summaries, controls.wanted, controls.acks]


async def require_topics(log: Log, tasks: Sequence[Task], settings: Settings) -> None:
    """Raise LogRefused for the first topic of the tasks or settings that does not exist, before anything is consumed."""
    for topic in topics_of(settings):
        if not await log.partitions(topic):
            raise missing_topic(topic)
    for task in tasks:
        context = [] if task.context is None else [task.context.topic]
        for topic in [task.source.topic, *sorted(task.routes.topics()), *task.routes.audits().values(), *context]:
            if not await log.partitions(topic):
                raise LogRefused(_missing(topic, task))


def _missing(topic: str, task: Task) -> str:
    source = " (--create-source if nobody else makes it)" if topic == task.source.topic else ""
    return f"topic {topic} of task {task.name} does not exist: create it with `nanotriage topics apply --task ...`{source}"


def stream_name(cluster_id: str, settings: Settings) -> str:
    """Return the name under which event ids are unique: the cluster and the stream's epoch."""
    return f"{cluster_id}/{settings.kafka.stream_epoch}"


def _password(kafka: KafkaSettings) -> str:
    secret = kafka_password(kafka)
    return secret.get_secret_value() if secret is not None else ""
