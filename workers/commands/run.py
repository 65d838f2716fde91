"""`nanotriage run`: the worker."""

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from schemas.task import Task
from workers.commands.settings import (
    BrokersOption,
    ConfigOption,
    KeyFileOption,
    ModelOption,
    ModelUrlOption,
    SetOption,
    TasksOption,
    flags_of,
)
from workers.exits import UserError


def run(
    task: TasksOption,
    brokers: BrokersOption = None,
    group: Annotated[str | None, typer.Option(help="Consumer group; sets kafka.group.")] = None,
    model_url: ModelUrlOption = None,
    model: ModelOption = None,
    api_key_file: KeyFileOption = None,
    health_port: Annotated[str | None, typer.Option(help="Port of /live, /ready and /metrics; 0 is any, off is none.")] = None,
    patience: Annotated[float, typer.Option(help="Seconds to wait at start for a broker or model that is down.")] = 60.0,
    config: ConfigOption = None,
    assignments: SetOption = None,
) -> None:
    """Label messages until told to stop (SIGTERM or Ctrl-C). Every other setting: `nanotriage settings`."""
    # Imported here: `nanotriage --help` should not pay for a Kafka client and an HTTP stack.
    import uvloop  # noqa: PLC0415

    from workers import collector  # noqa: PLC0415
    from workers.calibrationfiles import calibrations_of  # noqa: PLC0415
    from workers.installation import installed_version  # noqa: PLC0415
    from workers.lifecycle import Worker, run_worker, stop_on_signals  # noqa: PLC0415
    from workers.logs import configure  # noqa: PLC0415
    from workers.settings import load_settings  # noqa: PLC0415
    from workers.taskfiles import load_task  # noqa: PLC0415
    from workers.wiring.kafka import kafka_log  # noqa: PLC0415
    from workers.wiring.model import openai_model  # noqa: PLC0415

    flags: dict[str, Any] = {
        "kafka.brokers": brokers,
        "kafka.group": group,
        "model.base_url": model_url,
        "model.name": model,
        "model.api_key_file": api_key_file,
        "health.port": health_port,
    }
    settings = load_settings(flags_of(assignments or (), flags), config)
    tasks = [load_task(reference) for reference in task]
    refuse_contradictions([loaded.task for loaded in tasks])
    calibrations = calibrations_of(tasks, settings.calibration_folder)
    configure(settings.logs.format, settings.logs.level)

    async def work() -> None:
        stop = asyncio.Event()
        with stop_on_signals(stop):
            log, asked = kafka_log(settings.kafka), openai_model(settings.model)
            worker = Worker(settings, tasks, log, asked, installed_version(), patience, calibrations, card=asked.card)
            await run_worker(worker, stop, lambda _port: collector.spare())

    uvloop.run(work())


def refuse_contradictions(tasks: Sequence[Task]) -> None:
    """Raise UserError for tasks that one worker cannot serve: a record has one verdict."""
    for what, values in (("source topic", [t.source.topic for t in tasks]), ("name", [t.name for t in tasks])):
        doubled = sorted({value for value in values if values.count(value) > 1})
        if doubled:
            raise UserError(f"two tasks share the {what} {doubled[0]}: run them as workers of different groups")
