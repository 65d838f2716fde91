"""`nanotriage stateful`: applications beside the model path. Each is a process of its own in a consumer group of its own."""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer

from schemas.context import ContextRule
from schemas.task import Task
from topics import provision
from topics.connection import Connection
from topics.provision import WantedTopic
from workers.commands.settings import BrokersOption, ConfigOption, SetOption, settings_of
from workers.contexts import rule_of
from workers.exits import Exit, UserError
from workers.lifecycle import stop_on_signals
from workers.logs import bind, configure
from workers.stateful.application import Storage, application, live
from workers.stateful.conversations import conversations
from workers.stateful.keeper import keeper_of
from workers.stateful.rollups import Rollups
from workers.stateful.seasons import Rule, Season
from workers.stateful.serving import served
from workers.stateful.windows import Windows
from workers.summing import alerts_of, baselines_of, rollups_of
from workers.taskfiles import load_task
from workers.wiring.kafka import connection_of
from workers.wiring.lines import marks_of

app = typer.Typer(no_args_is_help=True)
_LOG = bind("nanotriage.stateful")
_HOUR_MS = 3_600_000
_DAY_MS = 24 * _HOUR_MS


@app.callback()
def root() -> None:
    """Applications beside the model path. They need the extra `stateful`."""


@app.command("conversations")
def conversations_command(
    task: Annotated[str, typer.Option("--task", help="A shipped task's name, or the path of a task file, with a `context`.")],
    store: Annotated[Literal["memory", "rocksdb"], typer.Option(help="Where the table is kept beside its topic.")] = "memory",
    folder: Annotated[Path, typer.Option(help="Folder of the table; no two processes may share one.")] = Path(
        ".nanotriage/stateful"
    ),
    brokers: BrokersOption = None,
    config: ConfigOption = None,
    assignments: SetOption = None,
) -> None:
    """Keep the last turns of every conversation in the task's context topic, until told to stop (SIGTERM or Ctrl-C)."""
    settings = settings_of(brokers, config, assignments)
    wanted = load_task(task, import_user_code=False).task
    rule = rule_of(wanted)
    configure(settings.logs.format, settings.logs.level)
    connection = connection_of(settings.kafka)

    async def work() -> None:
        stop = asyncio.Event()
        with stop_on_signals(stop):
            partitions = await partitions_of(connection, wanted, rule)
            storage = Storage(store, folder)
            bare = application(
                group_of(settings.kafka.app, wanted), connection, settings.kafka.session_timeout_seconds, storage
            )
            keeper = keeper_of(wanted, rule, marks_of(settings))
            _LOG.info("started", task=wanted.name, partitions=partitions, store=store)
            await live(conversations(bare, keeper, storage, partitions, _now_ms), stop)

    asyncio.run(work())


@app.command("rollups")
def rollups_command(
    window: Annotated[int, typer.Option(min=1, help="Seconds of a window.")] = 60,
    hours: Annotated[float, typer.Option(min=0.1, help="Hours for which windows are held in memory and served.")] = 24.0,
    look: Annotated[int, typer.Option(min=1, help="Seconds between two looks for drift.")] = 300,
    slot: Annotated[int, typer.Option(min=1, help="Seconds of traffic that are compared with their like.")] = 3600,
    season: Annotated[
        Season, typer.Option(help="What a slot's like is: any, that of the time of day, or of the week.")
    ] = "day",
    false_alarm_days: Annotated[
        float, typer.Option(min=0.001, help="One false alarm of a task in so many days, at most.")
    ] = 30.0,
    adopt_hours: Annotated[
        float, typer.Option(min=0.001, help="An alert that lasts so long ends: what it was about is what comes from now on.")
    ] = 72.0,
    folder: Annotated[Path, typer.Option(help="Folder of the application; no two processes may share one.")] = Path(
        ".nanotriage/stateful"
    ),
    brokers: BrokersOption = None,
    config: ConfigOption = None,
    assignments: SetOption = None,
) -> None:
    """Add up the counts of every commit by window, task, tenant and model, and say when they are no longer what they were.

    Serves `/rollups` and `/alerts` (JSON) and `/metrics` (Prometheus) on `health.port`, until told to stop.
    """
    settings = settings_of(brokers, config, assignments)
    summaries = settings.delivery.summary_topic
    if summaries is None:
        raise UserError("nothing is summed up: set delivery.summary_topic, for the workers too")
    rule = Rule(look * 1000, slot * 1000, season, round(false_alarm_days * _DAY_MS), round(adopt_hours * _HOUR_MS))
    refuse_times(window, look, slot, hours)
    configure(settings.logs.format, settings.logs.level)
    kafka, connection, storage = settings.kafka, connection_of(settings.kafka), Storage("memory", folder)

    async def work() -> None:
        stop = asyncio.Event()
        with stop_on_signals(stop):
            tables = [rollups_of(summaries), alerts_of(summaries), baselines_of(summaries)]
            partitions = await same_partitions(connection, [summaries, *tables], "the summaries")
            bare = application(f"{kafka.app}.rollups", connection, kafka.session_timeout_seconds, storage)
            windows = Windows(window * 1000, round(hours * _HOUR_MS), settings.model.prices)
            watcher = Rollups(bare, windows, rule, summaries, partitions, _now_ms).watcher
            async with served(watcher, settings.health, _now_ms) as port:
                _LOG.info("started", topic=summaries, partitions=partitions, port=port)
                await live(bare, stop)

    asyncio.run(work())


def refuse_times(window: int, look: int, slot: int, hours: float) -> None:
    """Raise UserError for times in seconds, and hours, that do not fit into each other."""
    for name, longer, part, shorter in (("look", look, "window", window), ("slot", slot, "look", look)):
        if longer % shorter:
            raise UserError(f"--{name} {longer} is no multiple of --{part} {shorter}: choose one that is")
    if hours * 3600 < 2 * slot:
        raise UserError(f"--hours {hours:g} are shorter than two slots of {slot} seconds: raise it, or shorten --slot")


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def group_of(app_name: str, task: Task) -> str:
    """Return the application's consumer group: never that of a worker."""
    return f"{app_name}.conversations.{task.name}"


async def partitions_of(connection: Connection, task: Task, rule: ContextRule) -> int:
    """Return how many partitions the source has. Raises UserError unless the context's topics have as many."""
    return await same_partitions(connection, [task.source.topic, rule.topic, rule.forget_topic], f"task {task.name}")


async def same_partitions(connection: Connection, names: Sequence[str], whose: str) -> int:
    """Return how many partitions the first topic has. Raises UserError unless all are there and have as many."""
    have = await provision.read_topics(connection, [WantedTopic(name, 1, 1) for name in names])
    missing = [name for name in names if name not in have]
    if missing:
        sentence = f"topic {missing[0]} of {whose} does not exist: create it with `nanotriage topics apply`"
        raise UserError(sentence, Exit.BROKER)
    counts = {name: have[name].partitions for name in names}
    wrong = [name for name in names if counts[name] != counts[names[0]]]
    if wrong:
        raise UserError(
            f"topic {wrong[0]} has {counts[wrong[0]]} partitions and {names[0]} has {counts[names[0]]}: "
            "grow it with `nanotriage topics apply`",
            Exit.BROKER,
        )
    return counts[names[0]]
