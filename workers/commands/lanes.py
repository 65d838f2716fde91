"""`nanotriage lanes`: what a worker's group has committed per input partition, and how to resume a quarantined one."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, TypeVar

import typer

from schemas.task import Task
from topics.commit_map import UnknownMap, decode, encode
from topics.lane_facts import transactional_id
from topics.log import Log
from topics.record import Committed, Partition
from workers.commands.settings import BrokersOption, ConfigOption, JsonOption, SetOption, TasksOption, settings_of
from workers.commands.table import print_json, print_table
from workers.exits import Exit, UserError
from workers.taskfiles import load_task
from workers.wiring.kafka import kafka_log

app = typer.Typer(no_args_is_help=True)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Standing:
    """What is committed for one partition. `unknown` says why its commit map cannot be read: it is quarantined."""

    partition: str
    committed: int | None
    done_above: int
    unknown: str | None


@app.command("list")
def list_command(
    task: TasksOption,
    brokers: BrokersOption = None,
    config: ConfigOption = None,
    assignments: SetOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Show what is committed for each input partition. Exits with 1 while one is quarantined."""
    settings = settings_of(brokers, config, assignments)
    tasks = [load_task(reference, import_user_code=False).task for reference in task]
    standings = asyncio.run(_with_log(kafka_log(settings.kafka), lambda log: _standings(log, settings.kafka.group, tasks)))
    if as_json:
        print_json([asdict(standing) for standing in standings])
    else:
        rows = [
            (s.partition, "none" if s.committed is None else str(s.committed), str(s.done_above), s.unknown or "ok")
            for s in standings
        ]
        print_table(("PARTITION", "COMMITTED", "DONE ABOVE", "COMMIT MAP"), rows)
    if any(standing.unknown for standing in standings):
        raise typer.Exit(Exit.FAILED)


@app.command("resume")
def resume_command(
    partition: Annotated[str, typer.Argument(metavar="TOPIC/PARTITION", help="The quarantined partition.")],
    brokers: BrokersOption = None,
    config: ConfigOption = None,
    assignments: SetOption = None,
    *,
    accept_duplicates: Annotated[
        bool, typer.Option("--accept-duplicates", help="Messages above the committed offset may be published again.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Replace a commit map that cannot be read by an empty one. Workers take it up within seconds."""
    settings = settings_of(brokers, config, assignments)
    place = partition_of(partition)
    if not accept_duplicates:
        raise UserError(
            f"what was done above the committed offset of {place} is not known, so resuming may publish it again: "
            "repeat with --accept-duplicates if that is acceptable"
        )
    kafka = settings.kafka
    offset = asyncio.run(_with_log(kafka_log(kafka), lambda log: _resume(log, kafka.group, kafka.app, place)))
    if as_json:
        print_json({"partition": str(place), "committed": offset})
    else:
        print(f"{place} goes on at offset {offset}")


def partition_of(written: str) -> Partition:
    """Return the partition named TOPIC/NUMBER. Raises UserError."""
    topic, slash, number = written.rpartition("/")
    if not (slash and topic and number.isdecimal()):
        raise UserError(f"{written} is no partition: write TOPIC/NUMBER, such as support.tickets/3")
    return Partition(topic, int(number))


async def _with_log(log: Log, work: Callable[[Log], Awaitable[T]]) -> T:
    try:
        return await work(log)
    finally:
        await log.close()


async def _standings(log: Log, group: str, tasks: Sequence[Task]) -> list[Standing]:
    standings = []
    for task in tasks:
        for partition in await log.partitions(task.source.topic):
            committed = await log.committed(group, partition)
            if committed is None:
                standings.append(Standing(str(partition), None, 0, None))
                continue
            offset = committed.position.offset
            done = decode(offset, committed.metadata)
            unknown = done.why if isinstance(done, UnknownMap) else None
            standings.append(Standing(str(partition), offset, 0 if isinstance(done, UnknownMap) else len(done), unknown))
    return standings


async def _resume(log: Log, group: str, app_name: str, partition: Partition) -> int:
    """Commit the same offset with an empty map, through the lane's own transactional id, so that no worker races us."""
    if partition not in await log.partitions(partition.topic):
        raise UserError(f"partition {partition} does not exist")
    writer = log.writer(transactional_id(app_name, group, partition), group)
    await writer.open()
    try:
        committed = await log.committed(group, partition)
        if committed is None:
            raise UserError(f"group {group} has committed nothing for {partition}: there is nothing to resume")
        position = committed.position
        if not isinstance(decode(position.offset, committed.metadata), UnknownMap):
            raise UserError(f"{partition} is not quarantined: its commit map can be read")
        await writer.commit([], Committed(position, encode(position.offset, ())))
    finally:
        writer.discard()
    return position.offset
