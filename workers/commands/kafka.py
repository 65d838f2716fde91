"""`nanotriage kafka`: a real Apache Kafka on this machine, without Docker and without a system Java."""

import signal
import sys
from pathlib import Path
from threading import Event
from typing import Annotated, Any

import typer

from topics.embedded import EmbeddedKafka
from topics.embedded.cluster import SIZES
from topics.embedded.runtime import kafka_version
from workers.commands.table import print_json
from workers.exits import Exit, UserError, say

NOTICE_SECONDS = 0.5  # until a node that ended by itself is noticed in the foreground


def _size(nodes: int | None) -> int | None:
    if nodes is not None and nodes not in SIZES:
        raise typer.BadParameter(f"a cluster has 1 or 3 nodes, not {nodes}")
    return nodes


NodesOption = Annotated[
    int | None,
    typer.Option("--nodes", metavar="1|3", callback=_size, help="Number of nodes [default: as it was made, else 1]."),
]
NameOption = Annotated[str, typer.Option("--name", help="Name of the cluster.")]
DataOption = Annotated[Path, typer.Option("--data", metavar="DIR", help="Folder for its files.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]

DATA = Path(".nanotriage")

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="A real Apache Kafka on this machine, for trying things out. It has no authentication and listens on loopback.",
)


@app.command()
def up(
    nodes: NodesOption = None,
    name: NameOption = "default",
    data: DataOption = DATA,
    *,
    foreground: Annotated[bool, typer.Option("--foreground", help="Stay, and stop it on Ctrl-C.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Start it and return when it serves; it stays until `kafka down`. The first start downloads about 45 MB."""
    kafka = EmbeddedKafka.in_data(data, nodes, name)
    if not foreground:
        kafka.start(_progress, detached=True)
        _show(kafka, data, as_json=as_json)
        return
    asked = Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: asked.set())
    kafka.start(_progress)
    try:
        _show(kafka, data, as_json=as_json)
        while not asked.wait(NOTICE_SECONDS):
            for node in kafka.nodes:
                if not node.alive():
                    raise UserError(f"Kafka node {node.state.node_id} ended by itself; see {node.log}.", Exit.FAILED)
    finally:
        kafka.stop()


@app.command()
def down(
    name: NameOption = "default",
    data: DataOption = DATA,
    *,
    delete: Annotated[bool, typer.Option("--delete", help="Delete its data too.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Stop it. The data stay for the next `kafka up`."""
    kafka = EmbeddedKafka.in_data(data, name=name)
    ran = any(node.alive() for node in kafka.nodes)
    if delete:
        kafka.destroy()
    else:
        kafka.stop()
    if as_json:
        print_json({"name": name, "ran": ran, "deleted": delete})
    else:
        print(f"The Kafka {name} {'is stopped' if ran else 'did not run'}{'; its data are deleted' if delete else ''}.")


@app.command()
def status(name: NameOption = "default", data: DataOption = DATA, *, as_json: JsonOption = False) -> None:
    """Say whether it serves and where. Exits with 1 when it does not."""
    kafka = EmbeddedKafka.in_data(data, name=name)
    facts = _facts(kafka)
    if as_json:
        print_json(facts)
    elif facts["ready"]:
        _show(kafka, data, as_json=False)
    else:
        dead = [str(node["node_id"]) for node in facts["nodes"] if not node["ready"]]
        what = f"does not answer on node {', '.join(dead)}" if kafka.nodes else "was never started"
        say(f"The Kafka {name} {what}; start it with `{_command('up', kafka, data)}`.", as_json=False)
    if not facts["ready"]:
        raise typer.Exit(Exit.FAILED)


def _facts(kafka: EmbeddedKafka) -> dict[str, Any]:
    nodes = [
        {
            "node_id": node.state.node_id,
            "port": node.state.port,
            "pid": node.pid if node.alive() else None,
            "ready": node.ready(),
        }
        for node in kafka.nodes
    ]
    return {
        "name": kafka.name,
        "version": kafka_version(),
        "ready": bool(nodes) and all(node["ready"] for node in nodes),
        "bootstrap": kafka.bootstrap if nodes else None,
        "folder": str(kafka.folder),
        "nodes": nodes,
    }


def _show(kafka: EmbeddedKafka, data: Path, *, as_json: bool) -> None:
    if as_json:
        print_json(_facts(kafka))
    else:
        print(f"Kafka {kafka_version()} serves at {kafka.bootstrap} with its data in {kafka.folder}.")
        print(f"Use it with       nanotriage run --task TASK --brokers {kafka.bootstrap}")
        print(f"Stop it with      {_command('down', kafka, data)}")
    sys.stdout.flush()  # whoever reads a pipe waits for this, and in the foreground we stay


def _command(verb: str, kafka: EmbeddedKafka, data: Path) -> str:
    name = "" if kafka.name == "default" else f" --name {kafka.name}"
    return f"nanotriage kafka {verb}{name}" + ("" if data == DATA else f" --data {data}")


def _progress(line: str) -> None:
    print(f"{line} ...", file=sys.stderr, flush=True)
