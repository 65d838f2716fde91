"""`nanotriage control`: pause, resume and change running workers, and see which control each of them runs."""

import asyncio
import getpass
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from schemas.control import EVERY_TASK, Control, FleetControl, TaskControl
from workers.commands.control_report import answers, answers_json, picture_json, picture_rows, sentence
from workers.commands.progress import progress
from workers.commands.settings import BrokersOption, ConfigOption, JsonOption, SetOption, settings_of
from workers.commands.table import print_json, print_table
from workers.controlling.desk import Desk
from workers.controlling.picture import Picture, Progress
from workers.controlling.topics import ControlTopics
from workers.exits import Exit, UserError
from workers.setting_sections import Settings
from workers.taskfiles import load_task
from workers.wiring.controls import operator_name
from workers.wiring.kafka import kafka_log

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

TaskName = Annotated[
    str | None, typer.Option("--task", metavar="TASK", help="A task's name as `control show` lists it, or its task file.")
]
AllOption = Annotated[bool, typer.Option("--all", help="Every task.")]
Because = Annotated[str, typer.Option("--because", help="Why; kept for ever with the change.")]
_OFF = "`off` is what the settings say."
By = Annotated[str | None, typer.Option("--by", help="Who wants it [default: your user name].")]
Wait = Annotated[float, typer.Option("--wait", min=0, help="Seconds to wait for the workers' answers.")]


@dataclass(frozen=True, slots=True)
class Change:
    """What is to be changed, of which key (`*` is every task), by whom, why."""

    task: str
    parts: Mapping[str, Any]
    by: str
    because: str

    def altered(self, before: Control | None, version: int) -> Control:
        """Return the whole of what is wanted from now on. Raises UserError for what no control can say."""
        said: dict[str, Any] = {"version": version, "by": self.by, "because": self.because}
        whole = _merged({} if before is None else before.model_dump(), {**self.parts, **said})
        try:
            if self.task == EVERY_TASK:
                return FleetControl.model_validate(whole)
            whole["tenants"] = {name: weight for name, weight in (whole.get("tenants") or {}).items() if weight is not None}
            return TaskControl.model_validate(whole | {"task": self.task})
        except ValidationError as error:
            problem = error.errors(include_input=False, include_url=False)[0]
            raise UserError(f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}") from None


def _merged(kept: Mapping[str, Any], parts: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was wanted with these parts of it changed, and no others."""
    inner = {name: _merged(kept.get(name) or {}, part) for name, part in parts.items() if isinstance(part, Mapping)}
    return {**kept, **parts, **inner}


@app.command("show")
def show_command(
    brokers: BrokersOption = None,
    config: ConfigOption = None,
    assignments: SetOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Show what is wanted and which version each worker runs. Exits with 1 while somebody runs another one."""
    settings = settings_of(brokers, config, assignments)

    async def look() -> Picture:
        async with _desk(settings) as desk:
            with progress("reading"):
                return await desk.look()

    picture, now_ms = asyncio.run(look()), time.time_ns() // 1_000_000
    if as_json:
        print_json(picture_json(picture, now_ms))
    else:
        rows = picture_rows(picture, now_ms)
        print_table(("TASK", "WORKER", "RUNS", "WANTED", "STATE"), rows)
    if picture.apart(now_ms):
        raise typer.Exit(Exit.FAILED)


def _switch(*, paused: bool) -> Callable[..., None]:
    """Return the command that pauses, or the one that resumes: they differ in nothing else."""

    def switch(
        because: Because,
        task: TaskName = None,
        by: By = None,
        wait: Wait = 30.0,
        brokers: BrokersOption = None,
        config: ConfigOption = None,
        assignments: SetOption = None,
        *,
        every: AllOption = False,
        as_json: JsonOption = False,
    ) -> None:
        settings = settings_of(brokers, config, assignments)
        change = Change(_key(task, every=every), {"paused": paused}, by or getpass.getuser(), because)
        _change(settings, change, wait, as_json=as_json)

    return switch


_PAUSE = "Read nothing more of a task; what was read is finished. Nothing is lost. Exits with 1 unless every worker does it."
app.command("pause", help=_PAUSE)(_switch(paused=True))
app.command("resume", help="Go on with a paused task. Exits with 1 unless every worker does it.")(_switch(paused=False))


@app.command("set")
def set_command(
    because: Because,
    task: TaskName = None,
    max_items: Annotated[str | None, typer.Option(help=f"Messages in a call at most, of a task. {_OFF}")] = None,
    max_tokens: Annotated[str | None, typer.Option(help=f"Tokens of a call at most, of a task. {_OFF}")] = None,
    linger: Annotated[str | None, typer.Option(help=f"Seconds that a message of a task waits for company. {_OFF}")] = None,
    tenant: Annotated[
        list[str] | None,
        typer.Option(metavar="TENANT=WEIGHT", help=f"A tenant's share of a task; others have 1. {_OFF} Repeat."),
    ] = None,
    labels: Annotated[str | None, typer.Option(help="publish, or escalate for nothing but escalations, of a task.")] = None,
    requests: Annotated[str | None, typer.Option(help=f"Requests a minute of all workers, with --all. {_OFF}")] = None,
    tokens: Annotated[str | None, typer.Option(help=f"Tokens a minute of all workers, with --all. {_OFF}")] = None,
    part: Annotated[str | None, typer.Option(help=f"Part of the limits that is used, to 1, with --all. {_OFF}")] = None,
    by: By = None,
    wait: Wait = 30.0,
    brokers: BrokersOption = None,
    config: ConfigOption = None,
    assignments: SetOption = None,
    *,
    every: AllOption = False,
    as_json: JsonOption = False,
) -> None:
    """Change how workers pack, share, label and spend. What is not named stays. Exits with 1 unless every worker does it."""
    settings = settings_of(brokers, config, assignments)
    of_task = {
        "batching": _said(max_items=max_items, max_tokens=max_tokens, linger_seconds=linger),
        "tenants": _weights(tenant or ()),
        "labels": labels,
    }
    of_all = {
        "budget": _said(requests_per_minute=requests, tokens_per_minute=tokens) | _said(part="1" if part == "off" else part)
    }
    key = _key(task, every=every)
    ours, others = (of_all, of_task) if key == EVERY_TASK else (of_task, of_all)
    if any(others.values()):
        whose = "of one task: name it with --task" if key == EVERY_TASK else "of the account: say it with --all"
        raise UserError(f"{', '.join(name for name, value in others.items() if value)} is {whose}")
    parts = {name: value for name, value in ours.items() if value}
    if not parts:
        raise UserError("say what to change: see `nanotriage control set --help`")
    _change(settings, Change(key, parts, by or getpass.getuser(), because), wait, as_json=as_json)


def _said(**values: str | None) -> dict[str, str | None]:
    """Return the options that were given; `off` is null, which is what the settings say."""
    return {name: None if value == "off" else value for name, value in values.items() if value is not None}


def _weights(assignments: Sequence[str]) -> dict[str, str | None]:
    """Return tenants and their weights, null for one that has none of its own. Raises UserError."""
    found: dict[str, str | None] = {}
    for assignment in assignments:
        name, equals, weight = assignment.rpartition("=")
        if not (name and equals and weight):
            raise UserError("--tenant takes TENANT=WEIGHT, such as --tenant acme=3, or --tenant acme=off")
        found[name] = None if weight == "off" else weight
    return found


def _key(task: str | None, *, every: bool) -> str:
    """Return the key that is meant: a task's name, or `*`."""
    if (task is None) != every:
        raise UserError("say which task with --task, or --all for every task, not both")
    if task is None:
        return EVERY_TASK
    return load_task(task, import_user_code=False).task.name if task.endswith((".yaml", ".yml")) else task


def _change(settings: Settings, change: Change, wait: float, *, as_json: bool) -> None:
    async def work() -> tuple[Control, Progress | None]:
        async with _desk(settings) as desk:
            _refuse_useless(await desk.look(), change, time.time_ns() // 1_000_000)
            control = await desk.change(change.task, change.altered)
            with progress(f"version {control.version}") as bar:

                def told(now: Progress) -> None:
                    done = len(now.running) + len(now.refused)
                    bar.update(bar.task_ids[0], completed=done, total=done + len(now.silent))

                return control, await desk.settled(control, time.monotonic, wait, told)

    control, came = asyncio.run(work())
    if as_json:
        print_json(answers_json(control, came))
    else:
        print(sentence(control, came))
        if rows := answers(came):
            print_table(("WORKER", "ANSWER"), rows)
    if came is None or came.silent or came.refused:
        raise typer.Exit(Exit.FAILED)


def _refuse_useless(picture: Picture, change: Change, now_ms: int) -> None:
    """Raise UserError for a change that would reach nobody it is meant for, or not do what it says."""
    live = picture.live(now_ms).values()
    known = sorted({task for seen in live for task in seen.ack.runs} - {EVERY_TASK})
    if live and change.task != EVERY_TASK and change.task not in known:
        raise UserError(f"no worker has a task {change.task}: they have {', '.join(known)}")
    pause = picture.whole_pause()
    if change.task != EVERY_TASK and change.parts.get("paused") is False and pause is not None:
        raise UserError(f"every task is paused ({pause.by}: {pause.because}): resume with --all first")


@asynccontextmanager
async def _desk(settings: Settings) -> AsyncIterator[Desk]:
    if settings.controls.topic is None:
        raise UserError("there is no topic for controls: set controls.topic for workers and for this command alike")
    log = kafka_log(settings.kafka)
    try:
        yield Desk(log, ControlTopics.of(settings.controls.topic), operator_name(settings))
    finally:
        await log.close()
