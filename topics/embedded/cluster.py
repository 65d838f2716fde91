"""A real Apache Kafka of one or three nodes on this machine, for demonstrations and tests."""

import fcntl
import os
import secrets
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from topics.embedded import ports, runtime, state
from topics.embedded.configuration import OPEN, Door, Hardening, format_arguments, server_properties
from topics.embedded.errors import EmbeddedKafkaError
from topics.embedded.node import READY_SECONDS, STOP_SECONDS, Node
from topics.embedded.runtime import Guard, Runtime
from topics.embedded.state import ClusterState, NodeState

if TYPE_CHECKING:
    from subprocess import Popen

SIZES = (1, 3)
FORMAT_SECONDS = 60


def silent(_line: str) -> None:
    """Report nothing."""


class EmbeddedKafka:
    """Brokers in KRaft combined mode, without authentication but at hardened doors, reachable from this machine only.

    Data lie in `<root>/.nanotriage/kafka/<name>` and survive `stop`. The brokers end with this process, however it ends,
    unless they are started detached. All methods block; used by one thread at a time.
    """

    def __init__(
        self,
        root: Path | None = None,
        nodes: int = 1,
        name: str = "default",
        doors: Mapping[int, Door] | None = None,
        hardening: Hardening = OPEN,
    ) -> None:
        """`doors` are second listeners by node id: for clients behind a proxy, or, hardened, for those who say who they are."""
        self._set_up((root or Path()) / ".nanotriage", nodes, name)
        self._doors.update(doors or {})
        self._hardening = hardening

    @classmethod
    def in_data(cls, data: Path, nodes: int | None = None, name: str = "default") -> Self:
        """Return the cluster in `<data>/kafka/<name>`, of the size it was made with (else 1) unless `nodes` says it."""
        self = cls.__new__(cls)
        found = state.read(state.cluster_folder(data, name))
        self._set_up(data, nodes or (len(found.nodes) if found else 1), name)
        return self

    def _set_up(self, data: Path, nodes: int, name: str) -> None:
        if nodes not in SIZES:
            raise EmbeddedKafkaError(f"A cluster has 1 or 3 nodes, not {nodes}.")
        self.name = name
        self.folder = state.cluster_folder(data, name)
        if "," in str(self.folder):
            raise EmbeddedKafkaError(f"Kafka cannot keep data in {self.folder}; choose a folder without a comma.")
        self._size = nodes
        self._doors: dict[int, Door] = {}
        self._hardening = OPEN
        self._state: ClusterState | None = None
        self._nodes: tuple[Node, ...] = ()
        self._pipe: tuple[int, int] | None = None

    @property
    def bootstrap(self) -> str:
        """The bootstrap servers, as `127.0.0.1:port,...`. Raises EmbeddedKafkaError before the first start."""
        self._load()
        if self._state is None:
            raise EmbeddedKafkaError(f"The Kafka {self.name} has no address before its first start.")
        return self._state.bootstrap

    @property
    def nodes(self) -> tuple[Node, ...]:
        """The nodes, by node id from 1 on; none before the first start."""
        self._load()
        return self._nodes

    def node(self, node_id: int) -> Node:
        """Return the node with this Kafka node id: 1, 2 or 3. Raises LookupError."""
        for node in self.nodes:
            if node.state.node_id == node_id:
                return node
        raise LookupError(f"the Kafka {self.name} has no node {node_id}")

    def start(self, report: Callable[[str], None] = silent, *, detached: bool = False) -> None:
        """Start every node that is down and wait until all serve; the first start downloads and formats.

        `report` is told of each long step. Raises EmbeddedKafkaError or JarsUnavailable; then what it started is stopped.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._locked():
            self._load()
            if not detached and self._pipe is None and any(node.alive() for node in self._nodes):
                raise EmbeddedKafkaError(
                    f"The Kafka {self.name} runs already at {self.bootstrap}; use it, stop it with"
                    " `nanotriage kafka down`, or choose another name."
                )
            program = runtime.load(report)
            cluster = self._with_ports()
            guard = None if detached else self._guard()
            down = [node for node in self._nodes if not node.alive()]
            for node in self._nodes:
                door = self._doors.get(node.state.node_id)
                properties = server_properties(cluster, node.state, node.folder / "data", door, self._hardening)
                node.prepare(program, guard, properties)
            if down:
                report(f"Starting Kafka {runtime.kafka_version()} with {_count(self._size)}")
            try:
                self._format(program, down, cluster.cluster_id)
                for node in down:
                    node.launch()
                for node in self._nodes:
                    node.wait_ready(frozenset(each.state.node_id for each in self._nodes), READY_SECONDS)
            except BaseException:
                _stop(down)
                raise

    def stop(self) -> None:
        """Stop every node, whoever started it; the data stay."""
        self._load()
        _stop(self._nodes)
        self._let_go()

    def destroy(self) -> None:
        """Kill every node and delete the data."""
        self._load()
        for node in self._nodes:
            node.kill()
        self._let_go()
        shutil.rmtree(self.folder, ignore_errors=True)
        self._state, self._nodes = None, ()

    def _let_go(self) -> None:
        """A node of a stopped cluster is started by the cluster's start only: its guard's pipe is closed."""
        for node in self._nodes:
            node.retire()
        if self._pipe is not None:
            for end in self._pipe:
                os.close(end)
            self._pipe = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def _load(self) -> None:
        """Learn the nodes from the folder, once."""
        if self._state is None and (found := state.read(self.folder)) is not None:
            if len(found.nodes) != self._size:
                raise EmbeddedKafkaError(
                    f"The Kafka {self.name} was made with {_count(len(found.nodes))}, not {self._size}; choose another name"
                    f" or delete {self.folder}."
                )
            self._adopt(found)

    def _with_ports(self) -> ClusterState:
        """Return the state with ports that can be used: those of before unless somebody took them meanwhile."""
        known = self._state
        if known is not None:
            taken = [
                node
                for node in known.nodes
                if not node.running() and not (ports.is_free(node.port) and ports.is_free(node.controller_port))
            ]
            if not taken:
                return known
            if any(node.running() for node in known.nodes):
                raise EmbeddedKafkaError(
                    f"The port {taken[0].port} of node {taken[0].node_id} is taken; free it or stop the whole Kafka first."
                )
        found = ports.free_ports(2 * self._size, seed=os.getpid())
        nodes = tuple(NodeState(i + 1, found[2 * i], found[2 * i + 1]) for i in range(self._size))
        # Kafka wants 16 bytes in base64; a leading dash would read as an option.
        cluster_id = known.cluster_id if known is not None else secrets.token_urlsafe(16).replace("-", "n", 1)
        fresh = ClusterState(cluster_id, nodes)
        state.write(self.folder, fresh)
        self._adopt(fresh)
        return fresh

    def _adopt(self, cluster: ClusterState) -> None:
        self._state = cluster
        self._nodes = tuple(Node(node, self.folder / f"node-{node.node_id}", self._changed) for node in cluster.nodes)

    def _changed(self, node: NodeState) -> None:
        assert self._state is not None, "a node changes only in a known cluster"
        self._state = self._state.with_node(node)
        state.write(self.folder, self._state)

    def _format(self, program: Runtime, nodes: list[Node], cluster_id: str) -> None:
        """Format the data folders that are not, all at once. A half formatted one has no `meta.properties`."""
        running: list[tuple[Node, Popen[bytes]]] = []
        for node in nodes:
            if (node.folder / "data" / "meta.properties").exists():
                continue
            shutil.rmtree(node.folder / "data", ignore_errors=True)
            properties = str(node.folder / "server.properties")
            with node.log.open("wb") as log:
                arguments = format_arguments(cluster_id, properties, self._hardening)
                process = program.spawn(node.folder, "kafka.tools.StorageTool", *arguments, log=log, guard=None)
            running.append((node, process))
        for node, process in running:
            if process.wait(FORMAT_SECONDS) != 0:
                raise EmbeddedKafkaError(f"The folder of node {node.state.node_id} cannot be formatted; see {node.log}.")

    def _guard(self) -> Guard:
        if self._pipe is None:
            self._pipe = os.pipe()
        return Guard(sys.executable, self._pipe[0])

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Let one process at a time start this cluster."""
        with (self.folder / "lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _stop(nodes: tuple[Node, ...] | list[Node]) -> None:
    # All are asked first: the last of a cluster cannot leave in order once the majority has gone.
    for node in nodes:
        node.ask_to_stop()
    for node in nodes:
        node.wait_stopped(STOP_SECONDS)


def _count(nodes: int) -> str:
    return "1 node" if nodes == 1 else f"{nodes} nodes"
