"""`nanotriage doctor`: everything a worker needs, checked one by one, with what to do next."""

import asyncio
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from schemas.task import Task
from workers.commands.doctor_checks import (
    Check,
    check_broker,
    check_health,
    check_model,
    check_python,
    check_settings_file,
)
from workers.commands.settings import ConfigOption, JsonOption, SetOption, flags_of
from workers.commands.table import print_json, print_table
from workers.exits import Exit
from workers.settings import Loaded, SettingsRefused, load_with_sources
from workers.taskfiles import TaskRefused, load_task
from workers.wiring import kafka_log

TaskOption = Annotated[list[str] | None, typer.Option("--task", metavar="TASK", help="Check this task's file and topics too.")]


def doctor(
    task: TaskOption = None, config: ConfigOption = None, assignments: SetOption = None, *, as_json: JsonOption = False
) -> None:
    """Check everything a worker needs, and say what to do next. Exits with 1 when a check fails."""
    checks = examine(task or [], config, assignments or [])
    if as_json:
        print_json([asdict(check) for check in checks])
    else:
        print_table(("", "CHECK", "FOUND"), [(check.verdict, check.name, check.found) for check in checks])
        for check in checks:
            if check.next:
                print(f"{check.verdict}: {check.name}: {check.next}")
    if any(check.verdict == "fail" for check in checks):
        raise typer.Exit(Exit.FAILED)


def examine(references: list[str], config: Path | None, assignments: list[str]) -> list[Check]:
    """Run every check that can be run: a refused setting ends the examination, since the rest depends on it."""
    checks = list(check_python())
    try:
        loaded = load_with_sources(flags_of(assignments), config)
    except SettingsRefused as error:
        return [*checks, Check("settings", "fail", str(error), "correct it; the other checks need settings")]
    checks.append(check_settings_file(config, loaded.sources))
    tasks: dict[str, Task] = {}
    for reference in references:
        try:
            loaded_task = load_task(reference)
        except TaskRefused as error:
            checks.append(Check(f"task {reference}", "fail", str(error), "correct the task file"))
        else:
            tasks[reference] = loaded_task.task
            checks.append(Check(f"task {reference}", "ok", f"version {loaded_task.task.version}"))
    return [*checks, *asyncio.run(_examine_outside(loaded, tasks)), check_health(loaded.settings.health)]


async def _examine_outside(loaded: Loaded, tasks: dict[str, Task]) -> list[Check]:
    settings = loaded.settings
    log = kafka_log(settings.kafka)
    try:
        broker, model = await asyncio.gather(check_broker(log, settings, tasks), check_model(settings.model))
    finally:
        await log.close()
    return [*broker, *model]
