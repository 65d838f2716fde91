"""The configuration of a node: Kafka's settings and the Java machine's options, as pure functions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from topics.embedded.state import ClusterState, NodeState

MESSAGE_MAX_BYTES = 1_048_588  # Kafka's default: a batch of one MiB with its overhead


@dataclass(frozen=True, slots=True)
class Door:
    """A second listener of a node: the port it listens on, and the port its clients are told to come to, a proxy's."""

    port: int
    advertised_port: int


@dataclass(frozen=True, slots=True)
class Hardening:
    """What makes doors ask who comes: their protocol, more settings of the broker, and SCRAM users with their passwords."""

    protocol: str = "PLAINTEXT"
    settings: Mapping[str, str] = field(default_factory=dict)
    users: Mapping[str, str] = field(default_factory=dict)


OPEN = Hardening()


def server_properties(
    cluster: ClusterState, node: NodeState, data: Path, door: Door | None = None, hardening: Hardening = OPEN
) -> str:
    """Return `server.properties` of a node that is broker and controller in one (KRaft combined mode)."""
    size = len(cluster.nodes)
    protocols = "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT"
    listeners = f"PLAINTEXT://127.0.0.1:{node.port},CONTROLLER://127.0.0.1:{node.controller_port}"
    advertised = f"PLAINTEXT://127.0.0.1:{node.port}"
    if door is not None:
        protocols += f",DOOR:{hardening.protocol}"
        listeners += f",DOOR://127.0.0.1:{door.port}"
        advertised += f",DOOR://127.0.0.1:{door.advertised_port}"
    minimum_in_sync = max(1, size - 1)
    settings: dict[str, object] = {
        "process.roles": "broker,controller",
        "node.id": node.node_id,
        "controller.quorum.voters": ",".join(f"{n.node_id}@127.0.0.1:{n.controller_port}" for n in cluster.nodes),
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        "listener.security.protocol.map": protocols,
        "listeners": listeners,
        "advertised.listeners": advertised,
        "log.dirs": data,
        # Topics are made on purpose, with the cluster's redundancy.
        "auto.create.topics.enable": "false",
        "default.replication.factor": size,
        "min.insync.replicas": minimum_in_sync,
        "message.max.bytes": MESSAGE_MAX_BYTES,
        "offsets.topic.num.partitions": 4,
        "offsets.topic.replication.factor": size,
        "transaction.state.log.num.partitions": 4,
        "transaction.state.log.replication.factor": size,
        "transaction.state.log.min.isr": minimum_in_sync,
        "share.coordinator.state.topic.num.partitions": 1,
        "share.coordinator.state.topic.replication.factor": size,
        "share.coordinator.state.topic.min.isr": minimum_in_sync,
        # Groups and outages settle in seconds, as tests and demonstrations want.
        "group.initial.rebalance.delay.ms": 0,
        "group.min.session.timeout.ms": 500,
        "transaction.abort.timed.out.transaction.cleanup.interval.ms": 1_000,
        "log.cleaner.backoff.ms": 1_000,
        "broker.session.timeout.ms": 3_000,
        "broker.heartbeat.interval.ms": 500,
        # A small machine: fewer threads, and two MiB instead of 128 for the log cleaner.
        "num.network.threads": 2,
        "num.io.threads": 4,
        "num.recovery.threads.per.data.dir": 1,
        "background.threads": 2,
        "log.cleaner.dedupe.buffer.size": 2_097_152,
        **hardening.settings,
    }
    return "".join(f"{key}={value}\n" for key, value in settings.items())


def format_arguments(cluster_id: str, properties: str, hardening: Hardening = OPEN) -> list[str]:
    """Return the arguments of Kafka's storage tool that format a node's folder."""
    arguments = ["format", "--cluster-id", cluster_id, "--config", properties]
    for name, password in hardening.users.items():
        arguments += ["--add-scram", f'SCRAM-SHA-512=[name="{name}",password="{password}"]']
    return arguments


def java_command(java: Path, jars: Sequence[Path], folder: Path, main: str, *arguments: str) -> list[str]:
    """Return the command of one of Kafka's programs whose temporary files and crash reports go to the folder."""
    return [
        str(java),
        "-Xms64m",
        "-Xmx512m",
        # Start in two thirds of the time: the quick compiler only, the collector with the fewest threads.
        "-XX:TieredStopAtLevel=1",
        "-XX:+UseSerialGC",
        "-XX:-UsePerfData",
        "-XX:+ExitOnOutOfMemoryError",
        f"-XX:ErrorFile={folder / 'java-error.log'}",
        "--enable-native-access=ALL-UNNAMED",
        "-Djava.awt.headless=true",
        f"-Djava.io.tmpdir={folder / 'tmp'}",
        "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
        "-Dorg.slf4j.simpleLogger.log.kafka.server=info",
        "-Dorg.slf4j.simpleLogger.showDateTime=true",
        "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
        "-cp",
        ":".join(map(str, jars)),
        main,
        *arguments,
    ]
