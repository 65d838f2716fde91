"""`nanotriage dlq`: look at dead letters and send them back. `workers.deadletters` decides; this reads and prints."""

import asyncio
import re
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from schemas.task import Task
from topics.kafka import KafkaLog
from topics.reading import Reader
from topics.record import Partition
from workers.commands.progress import progress
from workers.commands.settings import ConfigOption, JsonOption, SetOption, TaskOption, TasksOption, settings_of
from workers.commands.table import print_table
from workers.deadletters.display import printable, record_json, record_lines, safe_json
from workers.deadletters.listing import ROW_HEADS, SUM_HEADS, Listing
from workers.deadletters.plan import MAX_REPLAYS, REFUSED, Outcome, Rules
from workers.deadletters.replay import Job, Replay, ends_of, names_of
from workers.deadletters.survey import fill, find
from workers.deadletters.where import FIELDS_HELP, parse_where
from workers.exits import UserError
from workers.setting_sections import KafkaSettings
from workers.taskfiles import load_task
from workers.wiring.kafka import kafka_log

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

LIST_ROWS = 100
SHOW_BYTES = 2_000
_PLACE = re.compile(r"(\d{1,9})/(\d{1,18})", re.ASCII)
_WORDS = {
    Outcome.CUT: "cut, so the original cannot be made from them",
    Outcome.REPLAYED_TOO_OFTEN: "sent back as often as --max-replays allows",
    Outcome.OTHER_SOURCE: "from a topic that is not the task's source",
    Outcome.TOO_LARGE: "too large for the source topic",
}

BrokersOption = Annotated[str | None, typer.Option("--brokers", help="host:port, comma separated.")]
WhereOption = Annotated[
    list[str] | None,
    typer.Option(
        "--where", metavar="CONDITION", help=f"Only letters for which it holds: {FIELDS_HELP}. Repeat it: all must hold."
    ),
]


@app.command("ls")
def ls_command(
    task: TasksOption,
    brokers: BrokersOption = None,
    where: WhereOption = None,
    most: Annotated[int, typer.Option("--max", min=0, help="List at most so many; the sums count all.")] = LIST_ROWS,
    config: ConfigOption = None,
    assignments: SetOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """List the dead letters of tasks, and count them by reason. Joins no consumer group and commits nothing."""
    tasks = [_task(reference) for reference in task]
    listing = Listing(frozenset(t.name for t in tasks), parse_where(where or ()), _now_ms(), most)
    kafka = _kafka(brokers, config, assignments)
    asyncio.run(_listed(kafka, list(dict.fromkeys(t.routes.dead for t in tasks)), listing))
    if as_json:
        print(safe_json(listing.as_json()))
    else:
        _show_listing(listing)


@app.command("show")
def show_command(
    place: Annotated[str, typer.Argument(metavar="PARTITION/OFFSET", help="As `dlq ls` names the letter.")],
    task: TaskOption,
    brokers: BrokersOption = None,
    most_bytes: Annotated[int, typer.Option("--bytes", min=1, help="Show at most so many bytes of the value.")] = SHOW_BYTES,
    config: ConfigOption = None,
    assignments: SetOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Show one dead letter: headers and value. Nothing in it reaches the terminal as a control character."""
    found = _PLACE.fullmatch(place)
    if found is None:
        raise UserError(f"{place!r} is no place of a letter: give PARTITION/OFFSET, such as 0/17, as `nanotriage dlq ls` does")
    partition = Partition(_task(task).routes.dead, int(found[1]))

    async def look() -> Any:
        async with _cluster(_kafka(brokers, config, assignments)) as (log, reader):
            return await find(log, reader, partition, int(found[2]))

    record = asyncio.run(look())
    if as_json:
        print(safe_json(record_json(record, most_bytes)))
    else:
        for line in record_lines(record, most_bytes):
            print(line)


@app.command("replay")
def replay_command(
    task: TaskOption,
    brokers: BrokersOption = None,
    where: WhereOption = None,
    most: Annotated[int | None, typer.Option("--max", min=1, help="Send back at most so many.")] = None,
    max_replays: Annotated[
        int, typer.Option("--max-replays", min=1, help="Refuse letters that were sent back so often and died again.")
    ] = MAX_REPLAYS,
    config: ConfigOption = None,
    assignments: SetOption = None,
    *,
    from_start: Annotated[
        bool, typer.Option("--from-start", help="Forget that the selected letters were sent back: send them once more.")
    ] = False,
    skip_rest: Annotated[
        bool, typer.Option("--skip-rest", help="Count the letters that --where leaves out as done, for later replays too.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be sent back. Changes nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Send dead letters back to their source topic: the original key, value and headers, and nt_replay counted up.

    Each letter is sent back once, however often the command is interrupted and run again, with whatever --where: what is
    done is committed in the transaction that sends it, as the consumer group {group}.dlq-replay.{task}. Letters that --where
    leaves out stay for a later replay. An interrupted run goes on when it is run again, without --from-start.
    """
    if not (yes or dry_run) and (as_json or not sys.stdin.isatty()):
        raise UserError("nobody can be asked here: add --yes to send the letters back, or --dry-run to see what would be sent")
    loaded = _task(task)
    kafka = _kafka(brokers, config, assignments)
    group, transactional_id = names_of(kafka.app, kafka.group, loaded.name)
    rules = Rules(loaded.name, loaded.source.topic, parse_where(where or ()), max_replays, _now_ms(), skip_rest)
    job = Job(rules, loaded.routes.dead, group, transactional_id, most, from_start)
    ends = None
    if dry_run or not yes:
        outcomes, ends = asyncio.run(_surveyed(kafka, job))
        if dry_run or not outcomes[Outcome.REPLAYED]:
            _show_outcomes(job, outcomes, done=False, as_json=as_json)
            return
        print(outcomes_sentence(job, outcomes, done=False))
        if not typer.confirm("Send them back?"):
            print("Nothing was sent back.")
            return
    _show_outcomes(job, asyncio.run(_replayed(kafka, job, ends)), done=True, as_json=as_json)


def outcomes_sentence(job: Job, outcomes: Counter[Outcome], *, done: bool) -> str:
    """Return what a replay did, or would do."""
    count = outcomes[Outcome.REPLAYED]
    letters = f"{count} letter{'' if count == 1 else 's'}"
    topic = job.rules.source_topic
    parts = [f"{letters} {'' if done else 'would be '}sent back to {topic}"]
    parts += [f"{outcomes[why]} refused: {_WORDS[why]}" for why in REFUSED if outcomes[why]]
    if outcomes[Outcome.LEFT]:
        parts.append(f"{outcomes[Outcome.LEFT]} left out by --where")
    if outcomes[Outcome.ALIEN]:
        parts.append(f"{outcomes[Outcome.ALIEN]} records are no dead letters of task {job.rules.task}")
    return f"{'; '.join(parts)}."


def outcomes_json(job: Job, outcomes: Counter[Outcome], *, done: bool) -> dict[str, Any]:
    """Return the same for a program. Of a dry run the outcomes are what would be."""
    return {
        "task": job.rules.task,
        "dead_topic": job.dead_topic,
        "source_topic": job.rules.source_topic,
        "group": job.group,
        "dry_run": not done,
        "outcomes": {outcome.value: outcomes[outcome] for outcome in Outcome},
    }


async def _listed(kafka: KafkaSettings, topics: Sequence[str], listing: Listing) -> None:
    async with _cluster(kafka) as (log, reader):
        with progress("reading") as bar:
            await fill(
                log, reader, topics, listing, lambda read, total: bar.update(bar.task_ids[0], completed=read, total=total)
            )


async def _surveyed(kafka: KafkaSettings, job: Job) -> tuple[Counter[Outcome], Mapping[Partition, int]]:
    async with _cluster(kafka) as (log, reader):
        ends = await ends_of(log, reader, job)
        with progress("looking", sum(ends.values())) as bar:
            return await Replay(log, reader, job, ends).survey(lambda offsets: bar.advance(bar.task_ids[0], offsets)), ends


async def _replayed(kafka: KafkaSettings, job: Job, ends: Mapping[Partition, int] | None) -> Counter[Outcome]:
    """Replay up to the ends, so that nothing is sent back that was not asked about; None is all there is now."""
    async with _cluster(kafka) as (log, reader):
        known = await ends_of(log, reader, job) if ends is None else ends
        with progress("replaying", sum(known.values())) as bar:
            return await Replay(log, reader, job, known).run(lambda offsets: bar.advance(bar.task_ids[0], offsets))


def _show_outcomes(job: Job, outcomes: Counter[Outcome], *, done: bool, as_json: bool) -> None:
    if as_json:
        print(safe_json(outcomes_json(job, outcomes, done=done)))
    else:
        print(outcomes_sentence(job, outcomes, done=done))


def _show_listing(listing: Listing) -> None:
    for topic in dict.fromkeys(row.topic for row in listing.rows):
        print(f"{topic}\n")
        print_table(ROW_HEADS, [_safe(row.cells()) for row in listing.rows if row.topic == topic])
        print()
    if listing.sums:
        print_table(SUM_HEADS, [_safe(cells) for cells in listing.sum_rows()])
    said = [f"{listing.letters} dead letters"]
    if len(listing.rows) < listing.letters:
        said.append(f"the first {len(listing.rows)} are listed, --max lists more")
    if listing.aliens:
        said.append(f"{listing.aliens} records are no dead letters of {' or '.join(sorted(listing.tasks))}")
    print(f"\n{'; '.join(said)}." if listing.sums else f"{'; '.join(said)}.")


def _safe(cells: Sequence[str]) -> list[str]:
    return [printable(cell) for cell in cells]


def _task(reference: str) -> Task:
    return load_task(reference, import_user_code=False).task


def _kafka(brokers: str | None, config: Path | None, assignments: Sequence[str] | None) -> KafkaSettings:
    return settings_of(brokers, config, assignments).kafka


def _now_ms() -> int:
    return int(time.time() * 1000)


@asynccontextmanager
async def _cluster(kafka: KafkaSettings) -> AsyncIterator[tuple[KafkaLog, Reader]]:
    log = kafka_log(kafka)
    try:
        async with log.reader() as reader:
            yield log, reader
    finally:
        await log.close()
