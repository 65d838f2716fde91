"""`nanotriage stateful`: applications beside the model path. Each is a process of its own in a consumer group of its own."""

import asyncio
import time
from pathlib import Path
from typing import Annotated, Literal

import typer

from schemas.context import ContextRule
from schemas.task import Task
from topics import provision
from topics.connection import Connection
from topics.provision import WantedTopic
from workers.commands.settings import BrokersOption, ConfigOption, SetOption, flags_of
from workers.contexts import rule_of
from workers.exits import Exit, UserError
from workers.lifecycle import stop_on_signals
from workers.logs import bind, configure
from workers.settings import load_settings
from workers.stateful.application import Storage, application, live
from workers.stateful.conversations import conversations
from workers.stateful.keeper import keeper_of
from workers.taskfiles import load_task
from workers.wiring.kafka import connection_of

app = typer.Typer(no_args_is_help=True)
_LOG = bind("nanotriage.conversations")


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
    settings = load_settings(flags_of(assignments or (), {"kafka.brokers": brokers}), config)
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
            keeper = keeper_of(wanted, rule)
            _LOG.info("started", task=wanted.name, partitions=partitions, store=store)
            await live(conversations(bare, keeper, storage, partitions, lambda: time.time_ns() // 1_000_000), stop)

    asyncio.run(work())


def group_of(app_name: str, task: Task) -> str:
    """Return the application's consumer group: never that of a worker."""
    return f"{app_name}.conversations.{task.name}"


async def partitions_of(connection: Connection, task: Task, rule: ContextRule) -> int:
    """Return how many partitions the source has. Raises UserError unless the context's topics have as many."""
    names = [task.source.topic, rule.topic, rule.forget_topic]
    have = await provision.read_topics(connection, [WantedTopic(name, 1, 1) for name in names])
    missing = [name for name in names if name not in have]
    if missing:
        sentence = f"topic {missing[0]} of task {task.name} does not exist: create it with `nanotriage topics apply`"
        raise UserError(sentence, Exit.BROKER)
    counts = {name: have[name].partitions for name in names}
    wrong = [name for name in names if counts[name] != counts[names[0]]]
    if wrong:
        raise UserError(
            f"topic {wrong[0]} has {counts[wrong[0]]} partitions and its source {names[0]} has {counts[names[0]]}: "
            "grow it with `nanotriage topics apply`",
            Exit.BROKER,
        )
    return counts[names[0]]
