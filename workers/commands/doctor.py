"""`nanotriage doctor`: everything a worker needs, checked one by one, with what to do next."""

import asyncio
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from schemas.task import Task
from workers.commands.doctor_checks import (
    Check,
    check_broker,
    check_calibration,
    check_health,
    check_model,
    check_python,
    check_settings_file,
)
from workers.commands.doctor_route import check_route
from workers.commands.settings import (
    BrokersOption,
    ConfigOption,
    JsonOption,
    KeyFileOption,
    ModelOption,
    ModelUrlOption,
    SetOption,
    flags_of,
)
from workers.commands.table import print_json, print_table
from workers.exits import Exit
from workers.setting_model import ModelSettings
from workers.settings import Loaded, SettingsRefused, load_with_sources
from workers.taskfiles import TaskRefused, load_task
from workers.wiring.kafka import kafka_log
from workers.wiring.model import openai_model

TaskOption = Annotated[list[str] | None, typer.Option("--task", metavar="TASK", help="Check this task's file and topics too.")]


def doctor(
    task: TaskOption = None,
    brokers: BrokersOption = None,
    model_url: ModelUrlOption = None,
    model: ModelOption = None,
    api_key_file: KeyFileOption = None,
    config: ConfigOption = None,
    assignments: SetOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Check everything a worker needs, and say what to do next. Exits with 1 when a check fails.

    The model is asked a harmless question a handful of times: some hundred tokens.
    """
    named = {
        "kafka.brokers": brokers,
        "model.base_url": model_url,
        "model.name": model,
        "model.api_key_file": api_key_file,
    }
    checks = examine(task or [], config, flags_of(assignments or [], named))
    if as_json:
        print_json([asdict(check) for check in checks])
    else:
        print_table(("", "CHECK", "FOUND"), [(check.verdict, check.name, check.found) for check in checks])
        for check in checks:
            if check.next:
                print(f"{check.verdict}: {check.name}: {check.next}")
    if any(check.verdict == "fail" for check in checks):
        raise typer.Exit(Exit.FAILED)


def examine(references: list[str], config: Path | None, flags: Mapping[str, Any]) -> list[Check]:
    """Run every check that can be run: a refused setting ends the examination, since the rest depends on it."""
    checks = list(check_python())
    try:
        loaded = load_with_sources(flags, config)
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
            checks += check_calibration(loaded_task, loaded.settings)
    return [*checks, *asyncio.run(_examine_outside(loaded, tasks)), check_health(loaded.settings.health)]


async def _examine_outside(loaded: Loaded, tasks: dict[str, Task]) -> list[Check]:
    settings = loaded.settings
    log = kafka_log(settings.kafka)
    try:
        broker, model = await asyncio.gather(check_broker(log, settings, tasks), _examine_model(settings.model))
    finally:
        await log.close()
    return [*broker, *model]


async def _examine_model(settings: ModelSettings) -> list[Check]:
    checks = await check_model(settings)
    if any(check.verdict == "fail" for check in checks):
        return checks
    model = openai_model(settings)
    try:
        return [*checks, *await check_route(model, settings)]
    finally:
        await model.close()
