"""`nanotriage control`: pause, resume and change running workers, and see which control each of them runs."""

import asyncio
import getpass
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from schemas.control import EVERY_TASK, Control, FleetControl, TaskControl
from workers.commands.control_report import answers, answers_json, picture_json, picture_rows, sentence
from workers.commands.progress import progress
from workers.commands.settings import BrokersOption, ConfigOption, JsonOption, SetOption, flags_of
from workers.commands.table import print_json, print_table
from workers.controlling.desk import Desk
from workers.controlling.picture import Picture, Progress
from workers.controlling.topics import ControlTopics
from workers.exits import Exit, UserError
from workers.setting_sections import Settings
from workers.settings import load_settings
from workers.taskfiles import load_task
from workers.wiring.controls import operator_name
from workers.wiring.kafka import kafka_log

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

TaskName = Annotated[
    str | None, typer.Option("--task", metavar="TASK", help="A task's name as `control show` lists it, or its task file.")
]
AllOption = Annotated[bool, typer.Option("--all", help="Every task.")]
Because = Annotated[str, typer.Option("--because", help="Why; kept for ever with the change.")]
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
        """Return the whole of what is wanted from now on."""
        said = {"version": version, "by": self.by, "because": self.because, **self.parts}
        kept = {} if before is None else before.model_dump()
        if self.task == EVERY_TASK:
            return FleetControl.model_validate(kept | said)
        return TaskControl.model_validate(kept | said | {"task": self.task})


@app.command("show")
def show_command(
    brokers: BrokersOption = None,
    config: ConfigOption = None,
    assignments: SetOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Show what is wanted of each task and which version each worker runs. Exits with 1 while somebody runs another one."""
    settings = load_settings(flags_of(assignments or (), {"kafka.brokers": brokers}), config)

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


@app.command("pause")
def pause_command(
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
    """Read nothing more of a task; what was read is finished. Nothing is lost. Exits with 1 unless every worker does it."""
    settings = load_settings(flags_of(assignments or (), {"kafka.brokers": brokers}), config)
    change = Change(_key(task, every=every), {"paused": True}, by or getpass.getuser(), because)
    _change(settings, change, wait, as_json=as_json)


@app.command("resume")
def resume_command(
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
    """Go on with a paused task. Exits with 1 unless every worker does it."""
    settings = load_settings(flags_of(assignments or (), {"kafka.brokers": brokers}), config)
    change = Change(_key(task, every=every), {"paused": False}, by or getpass.getuser(), because)
    _change(settings, change, wait, as_json=as_json)


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
