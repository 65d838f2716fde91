"""What is known of a cluster between commands: `state.json` in its folder."""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from topics.embedded.errors import EmbeddedKafkaError
from topics.embedded.process import Process


@dataclass(frozen=True, slots=True)
class NodeState:
    """One broker and controller: its Kafka node id, its ports on the loopback interface, and its last process."""

    node_id: int
    port: int
    controller_port: int
    process: Process | None = None

    def running(self) -> bool:
        return self.process is not None and self.process.alive()


@dataclass(frozen=True, slots=True)
class ClusterState:
    """A formatted cluster. The ids of its nodes are 1, 2, ..."""

    cluster_id: str
    nodes: tuple[NodeState, ...]

    @property
    def bootstrap(self) -> str:
        return ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)

    def with_node(self, node: NodeState) -> "ClusterState":
        """Return this state with the node in the place of its namesake."""
        return replace(self, nodes=tuple(node if old.node_id == node.node_id else old for old in self.nodes))


def cluster_folder(data: Path, name: str) -> Path:
    """Return the folder of the cluster of this name. Raises EmbeddedKafkaError for a name that is not one."""
    if not name or not all(letter.isalnum() or letter in "-_" for letter in name):
        raise EmbeddedKafkaError(f"{name!r} is no name for a cluster; use letters, digits, - and _.")
    return data.absolute() / "kafka" / name


def read(folder: Path) -> ClusterState | None:
    """Return the state kept in the folder, or None if there is none. Raises EmbeddedKafkaError for a damaged one."""
    file = folder / "state.json"
    try:
        content = json.loads(file.read_text())
        nodes = tuple(
            NodeState(
                int(node["node_id"]),
                int(node["port"]),
                int(node["controller_port"]),
                None if node["process"] is None else Process(**node["process"]),
            )
            for node in content["nodes"]
        )
        return ClusterState(str(content["cluster_id"]), nodes)
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise EmbeddedKafkaError(f"{file} is damaged; delete the folder {folder} and start again.") from error


def write(folder: Path, state: ClusterState) -> None:
    """Keep the state in the folder, whole or not at all."""
    file = folder / "state.json"
    draft = file.with_suffix(".draft")
    draft.write_text(json.dumps(asdict(state), indent=1) + "\n")
    draft.replace(file)
