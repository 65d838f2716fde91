"""`nanotriage topics`: the topics that tasks need. Nothing is ever deleted, shrunk or reconfigured."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Annotated, Literal, assert_never

import typer

from schemas.routes import LabelRoutes
from schemas.task import Task
from topics import provision
from topics.provision import Create, Differs, Fine, Grow, LogTopic, Plan, Row, WantedTopic
from workers.commands.settings import BrokersOption, ConfigOption, JsonOption, SetOption, TasksOption, settings_of
from workers.commands.table import print_json, print_table
from workers.controlling.topics import ControlTopics
from workers.exits import Exit
from workers.setting_sections import Settings
from workers.summing import alerts_of, baselines_of, rollups_of
from workers.taskfiles import load_task
from workers.wiring.kafka import connection_of

app = typer.Typer(no_args_is_help=True)

NEW_PARTITIONS = 6
SAFE_REPLICAS = 3
_ROLLUPS_MS = 7 * 24 * 3_600_000
_ACK_MS = 10 * 60_000
_REQUEST_MS = 7 * 24 * 3_600_000  # an application that was away for a week does not learn what to forget

PartitionsOption = Annotated[
    int | None,
    typer.Option(min=1, help=f"Partitions [default: {NEW_PARTITIONS} for a new topic; an existing one keeps its own]."),
]
ReplicationOption = Annotated[
    int | None, typer.Option(min=1, help="Replicas [default: 1 for a new topic; use 3 in production, which sets two in sync].")
]
SourceOption = Annotated[bool, typer.Option("--create-source", help="Make the source topics too.")]


@dataclass(frozen=True, slots=True)
class Wish:
    """What the user says of the topics; None leaves an existing topic as it is."""

    partitions: int | None
    replication: int | None
    create_source: bool


@dataclass(frozen=True, slots=True)
class Beside:
    """A topic with the partitions of a source, or so many, and what it must be configured as."""

    source: str
    config: Mapping[str, str]
    partitions: int | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the output."""

    topic: str
    role: str
    action: Literal["create", "grow", "differs", "fine", "missing"]
    detail: str


@app.command("plan")
def plan_command(
    task: TasksOption,
    partitions: PartitionsOption = None,
    replication: ReplicationOption = None,
    brokers: BrokersOption = None,
    config: ConfigOption = None,
    assignments: SetOption = None,
    *,
    create_source: SourceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Show what `apply` would do. Changes nothing."""
    tasks = [load_task(reference).task for reference in task]
    wish = Wish(partitions, replication, create_source)
    _show(asyncio.run(_planned(settings_of(brokers, config, assignments), tasks, wish))[1], as_json=as_json)


@app.command("apply")
def apply_command(
    task: TasksOption,
    partitions: PartitionsOption = None,
    replication: ReplicationOption = None,
    brokers: BrokersOption = None,
    config: ConfigOption = None,
    assignments: SetOption = None,
    *,
    create_source: SourceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Make the topics that are missing, and grow those that are asked to. Exits with 1 while one of ours is not as wished."""
    tasks = [load_task(reference).task for reference in task]
    wish = Wish(partitions, replication, create_source)
    done, left = asyncio.run(_applied(settings_of(brokers, config, assignments), tasks, wish))
    _show(done, as_json=as_json)
    if any(line.action not in {"fine", "missing"} for line in left):
        raise typer.Exit(Exit.FAILED)


async def _planned(settings: Settings, tasks: Sequence[Task], wish: Wish) -> tuple[Plan, list[Line]]:
    connection, summaries, controls = connection_of(settings.kafka), settings.delivery.summary_topic, settings.controls.topic
    roles, beside = roles_of(tasks, summaries, controls), beside_sources(tasks, summaries, controls)
    asked = [WantedTopic(name, 1, 1, config_of(wish.replication, beside.get(name))) for name in roles]
    have = await provision.read_topics(connection, asked)
    todo = provision.plan(have, wanted_topics(roles, have, wish, beside))
    return todo, lines_of(todo.rows, roles, have)


async def _applied(settings: Settings, tasks: Sequence[Task], wish: Wish) -> tuple[list[Line], list[Line]]:
    todo, lines = await _planned(settings, tasks, wish)
    await provision.apply(connection_of(settings.kafka), todo)
    return lines, (await _planned(settings, tasks, wish))[1]


def roles_of(tasks: Iterable[Task], summaries: str | None = None, controls: str | None = None) -> dict[str, str]:
    """Return every topic of the tasks and what it is for; one task's escalations may be another's source."""
    roles: dict[str, list[str]] = {}
    for task in tasks:
        labelled = task.routes.labelled
        routed = [*labelled.topics.values(), labelled.otherwise] if isinstance(labelled, LabelRoutes) else [labelled]
        beside = [(topic, role) for role, topic in task.routes.audits().items()]
        named = [(task.source.topic, "source"), *((topic, "labelled") for topic in routed)]
        context = task.context
        if context is not None:
            named += [(context.topic, "context"), (context.forget_topic, "forget")]
        for topic, role in [*named, (task.routes.escalated, "escalated"), (task.routes.dead, "dead"), *beside]:
            if role not in roles.setdefault(topic, []):
                roles[topic].append(role)
    if summaries is not None:
        roles |= {summaries: ["summaries"], rollups_of(summaries): ["rollups"]}
        roles |= {alerts_of(summaries): ["alerts"], baselines_of(summaries): ["baselines"]}
    if controls is not None:
        topics = ControlTopics.of(controls)
        roles |= {topics.wanted: ["controls"], topics.changes: ["changes"], topics.acks: ["acknowledgements"]}
    return {topic: ", ".join(names) for topic, names in roles.items()}


def beside_sources(tasks: Iterable[Task], summaries: str | None = None, controls: str | None = None) -> dict[str, Beside]:
    """Return the topics of the tasks' contexts and findings, of rollups and what watches them, and of controls.

    What is not said for the time to live is over, and so is its record. Findings are kept for ever, since an alarm holds until
    an operator acts, and lie in one order, the same for all workers.
    """
    topics = _of_controls(ControlTopics.of(controls)) if controls is not None else {}
    if summaries is not None:
        topics[rollups_of(summaries)] = Beside(
            summaries, {"cleanup.policy": "compact,delete", "retention.ms": str(_ROLLUPS_MS)}
        )
        for table in (alerts_of(summaries), baselines_of(summaries)):
            topics[table] = Beside(summaries, {"cleanup.policy": "compact"})
    for task in tasks:
        if (findings := task.routes.findings) is not None:
            topics[findings] = Beside(task.source.topic, {"retention.ms": "-1"}, partitions=1)
        if (rule := task.context) is not None:
            kept = {"cleanup.policy": "compact,delete", "retention.ms": str(round(rule.ttl_hours * 3_600_000))}
            topics[rule.topic] = Beside(task.source.topic, kept)
            topics[rule.forget_topic] = Beside(task.source.topic, {"retention.ms": str(_REQUEST_MS)})
    return topics


def _of_controls(topics: ControlTopics) -> dict[str, Beside]:
    """One order for all workers, the brokers' clock for all times; signs of life are of no use after a few minutes."""
    stamped = {"message.timestamp.type": "LogAppendTime"}
    kept = {
        topics.wanted: {"cleanup.policy": "compact"},
        topics.changes: {"retention.ms": "-1"},
        topics.acks: {"retention.ms": str(_ACK_MS), "segment.ms": str(_ACK_MS)},
    }
    return {topic: Beside(topic, config | stamped, partitions=1) for topic, config in kept.items()}


def wanted_topics(
    roles: Mapping[str, str], have: Mapping[str, LogTopic], wish: Wish, beside: Mapping[str, Beside] = MappingProxyType({})
) -> list[WantedTopic]:
    """Return the topics as they should be. A source belongs to its producer: it is ours to make only on request.

    A topic `beside` a source has as many partitions as that.
    """
    wanted = []
    for name, role in roles.items():
        exists = have.get(name)
        if role == "source" and not wish.create_source:
            continue
        replication = wish.replication or (exists.replication if exists else 1)
        wanted.append(
            WantedTopic(name, _partitions(name, have, wish, beside), replication, config_of(wish.replication, beside.get(name)))
        )
    return wanted


def _partitions(name: str, have: Mapping[str, LogTopic], wish: Wish, beside: Mapping[str, Beside]) -> int:
    if name in beside and (fixed := beside[name].partitions) is not None:
        return have[name].partitions if name in have else fixed
    source = beside[name].source if name in beside else name
    grown = wish.partitions if source == name or wish.create_source or source not in have else None
    exists = have.get(source)
    return grown or (exists.partitions if exists else NEW_PARTITIONS)


def config_of(replication: int | None, beside: Beside | None = None) -> dict[str, str]:
    """With three replicas or more, one may be down and an acknowledged event is still in two places."""
    safe = {"min.insync.replicas": "2"} if replication is not None and replication >= SAFE_REPLICAS else {}
    return {**safe, **(beside.config if beside is not None else {})}


def lines_of(rows: Iterable[Row], roles: Mapping[str, str], have: Mapping[str, LogTopic]) -> list[Line]:
    """Return the plan's rows, and a line for each source that is only looked at."""
    lines = [_line(row, roles[row.wanted.name]) for row in rows]
    planned = {line.topic for line in lines}
    for topic, role in roles.items():
        if topic not in planned and topic in have:
            lines.append(Line(topic, role, "fine", _count(have[topic].partitions)))
        elif topic not in planned:
            lines.append(Line(topic, role, "missing", "its producer makes it, or --create-source"))
    return sorted(lines, key=lambda line: list(roles).index(line.topic))


def _line(row: Row, role: str) -> Line:
    name = row.wanted.name
    match row:
        case Create(wanted):
            replicas = f"{wanted.replication} replica{'s' if wanted.replication > 1 else ''}"
            return Line(name, role, "create", f"{_count(wanted.partitions)}, {replicas}")
        case Grow(wanted, now):
            moved = "keys move: events of a key keep their order only after the change"
            return Line(name, role, "grow", f"from {now} to {_count(wanted.partitions)}; {moved}")
        case Differs(_, what):
            return Line(name, role, "differs", f"{'; '.join(what)}; an operator decides")
        case Fine(wanted):
            return Line(name, role, "fine", _count(wanted.partitions))
        case unsaid:
            assert_never(unsaid)


def _count(partitions: int) -> str:
    return f"{partitions} partition{'s' if partitions > 1 else ''}"


def _show(lines: Sequence[Line], *, as_json: bool) -> None:
    if as_json:
        print_json([asdict(line) for line in lines])
    else:
        print_table(
            ("TOPIC", "ROLE", "ACTION", "DETAIL"), [(line.topic, line.role, line.action, line.detail) for line in lines]
        )
