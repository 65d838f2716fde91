"""Topics as they should be: what to create and to grow, and what only an operator can decide.

Nothing is ever deleted, shrunk or reconfigured: a topic that differs otherwise is reported and left alone.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, assert_never

from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import TopicAlreadyExistsError, for_code

from topics.connection import Connection, client_options
from topics.errors import LogRefused
from topics.kafka.faults import log_errors

APPLY_SECONDS = 30.0
_RETRY_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class WantedTopic:
    """A topic as it should be. `config` names only what matters; the broker decides the rest."""

    name: str
    partitions: int
    replication: int
    config: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.partitions < 1 or self.replication < 1:
            raise ValueError(f"topic {self.name} needs at least one partition and one replica")


@dataclass(frozen=True, slots=True)
class LogTopic:
    """A topic as the cluster has it, with the values of the wanted configuration's names."""

    name: str
    partitions: int
    replication: int
    config: Mapping[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Create:
    wanted: WantedTopic


@dataclass(frozen=True, slots=True)
class Grow:
    """Adding partitions moves keys to other partitions: events of a key are in order only among those after the change."""

    wanted: WantedTopic
    partitions_now: int


@dataclass(frozen=True, slots=True)
class Differs:
    """Something `apply` does not change; `what` says how it is and how it should be."""

    wanted: WantedTopic
    what: Sequence[str]


@dataclass(frozen=True, slots=True)
class Fine:
    wanted: WantedTopic


Row = Create | Grow | Differs | Fine


@dataclass(frozen=True, slots=True)
class Plan:
    """What stands between the cluster and the wish, in the wish's order. A topic can both grow and differ."""

    rows: Sequence[Row]

    @property
    def changes(self) -> bool:
        """Whether `apply` has anything to do."""
        return any(isinstance(row, Create | Grow) for row in self.rows)


def plan(log_topics: Mapping[str, LogTopic], wanted: Sequence[WantedTopic]) -> Plan:
    """Compare. Pure."""
    rows: list[Row] = []
    for topic in wanted:
        have = log_topics.get(topic.name)
        if have is None:
            rows.append(Create(topic))
            continue
        differences = _differences(have, topic)
        if have.partitions < topic.partitions:
            rows.append(Grow(topic, have.partitions))
        elif not differences:
            rows.append(Fine(topic))
        if differences:
            rows.append(Differs(topic, differences))
    return Plan(tuple(rows))


def _differences(have: LogTopic, wanted: WantedTopic) -> Sequence[str]:
    differences = []
    if have.partitions > wanted.partitions:
        differences.append(f"has {have.partitions} partitions, wanted are {wanted.partitions}: partitions cannot be taken away")
    if have.replication != wanted.replication:
        differences.append(f"has {have.replication} replicas, wanted are {wanted.replication}")
    for name, value in wanted.config.items():
        if have.config.get(name) != value:
            differences.append(f"has {name}={have.config.get(name)}, wanted is {value}")
    return tuple(differences)


async def read_topics(connection: Connection, wanted: Sequence[WantedTopic]) -> Mapping[str, LogTopic]:
    """Return those of the wanted topics that exist. Raises LogUnavailable or LogRefused."""
    async with _admin(connection, "reading the topics") as admin:
        return await _read(admin, wanted)


async def apply(connection: Connection, todo: Plan) -> None:
    """Create and grow, and return when every change can be seen. Raises LogUnavailable or LogRefused."""
    wanted = [row.wanted for row in todo.rows if isinstance(row, Create | Grow)]
    if not wanted:
        return
    async with _admin(connection, "changing the topics") as admin:
        for row in todo.rows:
            match row:
                case Create(topic):
                    await _create(admin, topic)
                case Grow(topic):
                    await admin.create_partitions({topic.name: NewPartitions(topic.partitions)})
                case Differs() | Fine():
                    pass
                case unsaid:
                    assert_never(unsaid)
        while any(isinstance(row, Create | Grow) for row in plan(await _read(admin, wanted), wanted).rows):  # noqa: ASYNC110  # the broker tells nobody
            await asyncio.sleep(_RETRY_SECONDS)


async def _create(admin: Any, topic: WantedTopic) -> None:
    response = await admin.create_topics([NewTopic(topic.name, topic.partitions, topic.replication, None, dict(topic.config))])
    for name, code, *message in response.topic_errors:
        # Somebody else may create it at the same time; what differs then is seen by the next plan.
        if code and code != TopicAlreadyExistsError.errno:
            why = ", ".join(str(part) for part in message if part) or for_code(code).__name__
            raise LogRefused(f"topic {name} cannot be created: {why}")


async def _read(admin: Any, wanted: Sequence[WantedTopic]) -> Mapping[str, LogTopic]:
    # All topics are listed: naming one that is missing would create it on a broker that allows that.
    rows = {row["topic"]: row["partitions"] for row in await admin.describe_topics() if not row["error_code"]}
    topics = {}
    for topic in wanted:
        partitions = rows.get(topic.name)
        if partitions:
            config = await _config(admin, topic)
            topics[topic.name] = LogTopic(topic.name, len(partitions), len(partitions[0]["replicas"]), config)
    return topics


async def _config(admin: Any, topic: WantedTopic) -> Mapping[str, str | None]:
    if not topic.config:
        return {}
    question = ConfigResource(ConfigResourceType.TOPIC, topic.name, dict(topic.config))
    (response,) = await admin.describe_configs([question])
    code, message, _, name, entries = response.resources[0]
    if code:
        raise LogRefused(f"the configuration of topic {name} cannot be read: {message or for_code(code).__name__}")
    return {entry[0]: entry[1] for entry in entries}


@asynccontextmanager
async def _admin(connection: Connection, doing: str) -> AsyncIterator[Any]:
    admin = AIOKafkaAdminClient(**client_options(connection), request_timeout_ms=10_000)
    try:
        async with log_errors(doing, connection, APPLY_SECONDS):
            await admin.start()
            yield admin
    finally:
        await admin.close()
