"""`nanotriage audit`: what is put up for audit, what was found, and what that says of the promise."""

import asyncio
import getpass
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from schemas.auditing import Finding, Note, Resumption
from schemas.calibration import Calibration
from schemas.events import Claim
from topics.log import Log
from workers.auditing.desk import PutUp, notes, put_up, tell
from workers.auditing.findings_file import findings_of, read_lines
from workers.auditing.report import report_json, report_rows, sentence
from workers.auditing.standing import Standing
from workers.calibrationfiles import read_calibration
from workers.commands.progress import progress
from workers.commands.settings import BrokersOption, ConfigOption, JsonOption, SetOption, TaskOption, settings_of
from workers.commands.table import print_json, print_table
from workers.deadletters.display import printable
from workers.exits import Exit, UserError
from workers.setting_sections import Settings
from workers.taskfiles import LoadedTask, load_task
from workers.wiring.kafka import kafka_log
from workers.wiring.promises import build_monitor

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

LIST_ROWS = 100
_TEXT = 60


@app.command("list")
def list_command(
    task: TaskOption,
    brokers: BrokersOption = None,
    most: Annotated[int, typer.Option("--max", min=1, help="At most so many, those put up first.")] = LIST_ROWS,
    out: Annotated[Path | None, typer.Option(help="Write a file to fill in and to `audit submit`.")] = None,
    config: ConfigOption = None,
    assignments: SetOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """List messages that are put up for audit and that nobody has looked at. Joins no consumer group."""
    loaded, settings, topics = _of(task, brokers, config, assignments)

    async def read() -> list[PutUp]:
        async with _log(settings) as log:
            with progress("reading") as bar:
                told = await notes(log, topics[1], lambda count: bar.advance(bar.task_ids[0], count))
                done = {note.claim.id for note in told if isinstance(note, Finding)}
                found: list[PutUp] = []
                every = put_up(log, topics[0], loaded.task.name, lambda event_id: event_id not in done, lambda _count: None)
                async with aclosing(every) as waiting:
                    async for one in waiting:
                        found.append(one)
                        if len(found) == most:
                            break
                return found

    found = asyncio.run(read())
    rows = [{"id": p.claim.id, "message": p.message_id, "claimed": p.claim.labels, "text": p.text, "labels": {}} for p in found]
    if out is not None:
        _write(out, rows)
    if as_json:
        print_json(rows)
    elif out is not None:
        print(f"{len(rows)} written to {out}: fill in `labels`, then `nanotriage audit submit {out} --task {task}`")
    else:
        heads = ("EVENT", "MESSAGE", "CLAIMED", "TEXT")
        print_table(heads, [[printable(cell) for cell in _cells(one)] for one in found])


@app.command("submit")
def submit_command(
    file: Annotated[Path, typer.Argument(help='JSON Lines: {"id": event id, "labels": {field: right label, or null}}.')],
    task: TaskOption,
    brokers: BrokersOption = None,
    by: Annotated[str | None, typer.Option(help="Who found it [default: your user name].")] = None,
    config: ConfigOption = None,
    assignments: SetOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Publish what auditors found. A message counts once, by the first finding; lines without labels are left out."""
    loaded, settings, topics = _of(task, brokers, config, assignments)
    try:
        labels = read_lines(file.read_bytes().splitlines(), str(file), loaded.task)
    except OSError as error:
        raise UserError(f"{file} cannot be read ({error.strerror}): name another file") from None

    async def publish() -> int:
        async with _log(settings) as log:
            claims: dict[str, Claim] = {}
            with progress("looking for the messages") as bar:
                wanted = put_up(
                    log, topics[0], loaded.task.name, labels.__contains__, lambda count: bar.advance(bar.task_ids[0], count)
                )
                async for one in wanted:
                    claims[one.claim.id] = one.claim
            found = findings_of(labels, claims, by or getpass.getuser())
            await tell(log, topics[1], _name(settings, loaded), found)
            return len(found)

    count = asyncio.run(publish())
    if as_json:
        print_json({"published": count})
    else:
        print(f"{count} findings published to {topics[1]}")


@app.command("report")
def report_command(
    task: TaskOption,
    brokers: BrokersOption = None,
    config: ConfigOption = None,
    assignments: SetOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Show what all findings say of the present calibration. Exits with 1 while an alarm stands."""
    loaded, settings, topics = _of(task, brokers, config, assignments)
    calibration = _calibration(loaded, settings)

    async def read() -> Sequence[Note]:
        async with _log(settings) as log:
            with progress("reading") as bar:
                return await notes(log, topics[1], lambda count: bar.advance(bar.task_ids[0], count))

    standing = _standing(loaded, settings, calibration, asyncio.run(read()))
    if as_json:
        print_json(report_json(standing))
    else:
        heads, rows = report_rows(standing)
        print_table(heads, rows)
        print(sentence(loaded.task.promise, standing))
    if standing.alarm is not None:
        raise typer.Exit(Exit.FAILED)


@app.command("resume")
def resume_command(
    task: TaskOption,
    because: Annotated[str, typer.Option(help="Why the promise is to be trusted again; it is kept with the findings.")],
    brokers: BrokersOption = None,
    config: ConfigOption = None,
    assignments: SetOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """End an alarm: workers label again within seconds, and all evidence until now is forgotten."""
    loaded, settings, topics = _of(task, brokers, config, assignments)
    calibration = _calibration(loaded, settings)
    if calibration is None:
        raise UserError(f"task {loaded.task.name} states no promise, so nothing of it is held back")
    word = Resumption(task=loaded.task.name, calibration=calibration.identity, because=because)

    async def publish() -> None:
        async with _log(settings) as log:
            await tell(log, topics[1], _name(settings, loaded), [word])

    asyncio.run(publish())
    if as_json:
        print_json(word.model_dump(mode="json"))
    else:
        print(f"task {loaded.task.name} is trusted again under calibration {calibration.identity}; the evidence starts anew")


def _of(
    task: str, brokers: str | None, config: Path | None, assignments: Sequence[str] | None
) -> tuple[LoadedTask, Settings, tuple[str, str]]:
    """Return the task, the settings, and the topics of audits and findings. Raises UserError for a task without them."""
    loaded = load_task(task, import_user_code=False)
    routes = loaded.task.routes
    if routes.audit is None or routes.findings is None:
        raise UserError(f"task {loaded.task.name} has no audits: add the topics routes.audit and routes.findings to it")
    settings = settings_of(brokers, config, assignments)
    return loaded, settings, (routes.audit, routes.findings)


def _calibration(loaded: LoadedTask, settings: Settings) -> Calibration | None:
    return read_calibration(loaded, settings.calibration_folder) if loaded.task.promise is not None else None


def _standing(loaded: LoadedTask, settings: Settings, calibration: Calibration | None, told: Sequence[Note]) -> Standing:
    monitor = build_monitor(loaded.task, settings, calibration)
    for note in told:
        monitor.take(note)
    return monitor.standing()


def _name(settings: Settings, loaded: LoadedTask) -> str:
    return f"{settings.kafka.app}.audit.{loaded.task.name}"


def _cells(one: PutUp) -> tuple[str, str, str, str]:
    claimed = ", ".join(f"{name} {label or 'unknown'}" for name, label in one.claim.labels.items())
    text = " ".join((one.text or "(too large)").split())
    return one.claim.id, one.message_id, claimed, text if len(text) <= _TEXT else text[: _TEXT - 1] + "…"


def _write(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    try:
        path.write_bytes(b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows))
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error.strerror}): name another file with --out") from None


@asynccontextmanager
async def _log(settings: Settings) -> AsyncIterator[Log]:
    log = kafka_log(settings.kafka)
    try:
        yield log
    finally:
        await log.close()
