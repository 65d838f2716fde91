"""`nanotriage demo`: the main job here and now. Needs no key, no broker and no Docker."""

import asyncio
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console

from workers.commands.run import refuse_contradictions
from workers.commands.table import print_json
from workers.demo.judgement import Run
from workers.demo.services import labeller as labeller_kind
from workers.demo.show import show_examples, show_figures
from workers.demo.steps import Wish, demonstrate
from workers.exits import Exit, UserError
from workers.settings import load_settings
from workers.taskfiles import load_task, shipped_tasks

DATA = Path(".nanotriage")
_WIDTH = 150  # where nobody tells how wide the output is


def demo(
    task: Annotated[list[str] | None, typer.Option(help="A shipped task or a task file [default: all shipped tasks].")] = None,
    messages: Annotated[int | None, typer.Option(min=1, help="Messages of each task [default: the whole sample].")] = None,
    brokers: Annotated[str | None, typer.Option(help="Your own broker, host:port [default: a Kafka of this run].")] = None,
    model_url: Annotated[str | None, typer.Option(help="Your own OpenAI-compatible endpoint [default: a local model].")] = None,
    model: Annotated[str | None, typer.Option(help="Model name, with --model-url.")] = None,
    api_key_file: Annotated[Path | None, typer.Option(help="File that holds the API key, with --model-url.")] = None,
    data: Annotated[Path, typer.Option(metavar="DIR", help="Folder for its files.")] = DATA,
    labeller: Annotated[str, typer.Option(help="Local model: classifier, or random as a negative control.")] = "classifier",
    seed: Annotated[int, typer.Option(help="Seed of the random labeller.")] = 0,
    *,
    keep: Annotated[bool, typer.Option("--keep", help="Leave Kafka and model running.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Send real messages through a real Kafka, a worker and a model, and judge what comes out.

    Exits with 1 unless every input has exactly one event. Figures are in .nanotriage/demo.json too.
    """
    flags = {"kafka.brokers": brokers, "model.base_url": model_url, "model.name": model, "model.api_key_file": api_key_file}
    settings = load_settings({name: value for name, value in flags.items() if value is not None})
    loaded = [load_task(reference) for reference in task or shipped_tasks()]
    refuse_contradictions([each.task for each in loaded])
    for name in (each.task.name for each in loaded if each.task.promise is not None):
        raise UserError(f"task {name} states a promise, and the demo has no calibration of its model: use thresholds for it")
    if model_url is None and (model or api_key_file):
        raise typer.BadParameter("--model and --api-key-file go with --model-url: the local model has a name and needs no key")
    console = _console(as_json=as_json)
    wish = Wish(
        loaded,
        settings,
        own_broker=brokers is None,
        own_model=model_url is None,
        data=data,
        messages=messages,
        labeller=labeller_kind(labeller),
        seed=seed,
        keep=keep,
    )
    run = asyncio.run(_until_told(wish, console))
    _write(data / "demo.json", run)
    if as_json:
        print_json(run.figures)
    else:
        show_figures(console, run.figures)
        show_examples(console, run.shown)
        console.print(f"\nAll figures: {data / 'demo.json'}", markup=False)
    for line in _kept(run):
        console.print(line, markup=False)
    if not run.holds:
        raise typer.Exit(Exit.FAILED)


async def _until_told(wish: Wish, console: Console) -> Run:
    """Run it; SIGTERM ends it like Ctrl-C, with everything stopped."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        return await demonstrate(wish, console)
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


def _console(*, as_json: bool) -> Console:
    console = Console(stderr=as_json, highlight=False)
    return console if console.is_terminal else Console(stderr=as_json, highlight=False, width=_WIDTH)


def _kept(run: Run) -> Sequence[str]:
    kept: Sequence[str] = run.figures["kept"]
    return kept


def _write(path: Path, run: Run) -> None:
    path.write_bytes(orjson.dumps(run.figures, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
