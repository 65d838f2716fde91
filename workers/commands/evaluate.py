"""`nanotriage eval`: a task measured against gold labels, through the real stages, without Kafka."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from workers.commands.run import refuse_contradictions
from workers.commands.table import print_json, print_table
from workers.evaluating.dry_run import DryRun, dry_run
from workers.evaluating.figures import usage_json, usage_line
from workers.evaluating.gold import load_gold
from workers.evaluating.inputs import load_inputs
from workers.evaluating.metered import Meter
from workers.evaluating.outcome import Outcome
from workers.evaluating.report import as_json as report_json
from workers.evaluating.report import tables
from workers.evaluating.scores import Report
from workers.evaluating.scoring import score
from workers.exits import UserError
from workers.installation import installed_version
from workers.modelserver.local_model import LocalModel
from workers.modelserver.options import DATA, ModelOptions
from workers.setting_sections import Price
from workers.settings import load_settings
from workers.taskfiles import GOLD_FILE, SAMPLE_FILE, LoadedTask, load_task
from workers.wiring import openai_model


@dataclass(frozen=True, slots=True)
class Files:
    """What is sent, and what it is measured by."""

    sample: Path
    gold: Path


@dataclass(frozen=True, slots=True)
class Measured:
    """What a run has to say. `price` None is unknown."""

    report: Report
    meter: Meter
    price: Price | None


def evaluate(
    task: Annotated[str, typer.Option(metavar="TASK", help="A shipped task's name, or the path of a task file.")],
    data: Annotated[
        Path | None, typer.Option(help="Gold labels, or a folder with gold.jsonl [default: the task's own].")
    ] = None,
    input_: Annotated[
        Path | None, typer.Option("--input", help="Records to send [default: sample.jsonl beside the gold]")
    ] = None,
    model_url: Annotated[str | None, typer.Option(help="Base URL of the OpenAI-compatible endpoint.")] = None,
    model: Annotated[str | None, typer.Option(help="Model name.")] = None,
    api_key_file: Annotated[Path | None, typer.Option(help="File that holds the API key.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Send the first so many records only.")] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Messages in one call at most.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write the JSON into this file too.")] = None,
    config: Annotated[Path | None, typer.Option(help="Settings file; by default nanotriage.toml, if it exists.")] = None,
    *,
    local: Annotated[bool, typer.Option("--local", help="Ask a local labeller, started for this run: no key.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Label a sample with the worker's own stages and compare with gold labels, which are read when the run is over."""
    if local and (model_url or model or api_key_file):
        raise UserError("--local brings its own model: leave out --model-url, --model and --api-key-file, or --local")
    loaded = load_task(task)
    refuse_contradictions([loaded.task])
    files = files_of(loaded, data, input_)
    inputs = load_inputs(files.sample, loaded.task.source, limit)
    flags: dict[str, Any] = {
        "model.base_url": model_url,
        "model.name": model,
        "model.api_key_file": api_key_file,
        "batching.max_items": batch_size,
        "health.port": "off",
        # Whatever comes out is measured: a run of dead letters is a result here, not a reason to stop.
        "brake.dead_run": 1_000_000_000,
        "brake.dead_share": 1,
        "stop_seconds": 1,  # a run that is given up owes nobody its last answers
    }
    with ExitStack() as stack:
        if local:
            flags |= stack.enter_context(_local_model(task))
        settings = load_settings({name: value for name, value in flags.items() if value is not None}, config)
        meter = Meter()
        outcomes = _run(DryRun(loaded, inputs, settings, openai_model(settings.model), installed_version()), meter)
    # Only now, when nobody is left who could see them, are the gold labels opened.
    measured = Measured(score(loaded.task, load_gold(files.gold, loaded.task), outcomes), meter, settings.model.price())
    _show(measured, files, out, as_json=as_json)


def files_of(loaded: LoadedTask, data: Path | None, sample: Path | None) -> Files:
    """Return the files to use. Raises UserError when one is missing; nothing is read."""
    if data is not None and data.is_dir():
        data = data / GOLD_FILE
    gold = data or loaded.gold_path
    if gold is None:
        raise UserError(f"task {loaded.task.name} has no {GOLD_FILE} beside it: name the gold labels with --data")
    beside = gold.with_name(SAMPLE_FILE)
    sample = sample or (beside if beside.is_file() else loaded.sample_path)
    if sample is None:
        raise UserError(f"there is no {SAMPLE_FILE} beside {gold}: name the records to send with --input")
    for path in (gold, sample):
        if not path.is_file():
            raise UserError(f"there is no file {path}: correct --data or --input")
    return Files(sample, gold)


@contextmanager
def _local_model(task: str) -> Iterator[dict[str, Any]]:
    """Run a local labeller meanwhile; give the settings that ask it."""
    with LocalModel(ModelOptions(tasks=(task,), data=DATA)) as server:
        yield {"model.base_url": server.base_url, "model.name": server.model}


def _run(wanted: DryRun, meter: Meter) -> Sequence[Outcome]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bar = progress.add_task(wanted.loaded.task.name, total=len(wanted.inputs))
        return asyncio.run(dry_run(wanted, meter, lambda done: progress.update(bar, completed=done)))


def _show(measured: Measured, files: Files, out: Path | None, *, as_json: bool) -> None:

    report, meter, price = measured.report, measured.meter, measured.price
    value = {
        **report_json(report),
        "sample": str(files.sample),
        "gold": str(files.gold),
        "usage": usage_json(meter, price, report.records),
    }
    if out is not None:
        _write(out, value)
    if as_json:
        print_json(value)
        return
    for title, heads, rows in tables(report):
        print(f"\n{title}")
        print_table(heads, rows)
    print(f"\n{usage_line(meter, price, report.records)}.")


def _write(out: Path, value: Any) -> None:
    try:
        out.write_bytes(orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    except OSError as error:
        raise UserError(f"{out} cannot be written ({error.strerror}): correct --out") from None
