"""`nanotriage eval`: a task measured against gold labels, through the real stages, without Kafka."""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer

from workers.calibrationfiles import calibrations_of
from workers.commands.dry import Files, Wish, files_of, run_dry, write_json
from workers.commands.run import refuse_contradictions
from workers.commands.table import print_json, print_table
from workers.evaluating.figures import usage_json, usage_line
from workers.evaluating.gold import load_gold
from workers.evaluating.metered import Meter
from workers.evaluating.promise_score import promise_score
from workers.evaluating.report import as_json as report_json
from workers.evaluating.report import tables
from workers.evaluating.scores import Report
from workers.evaluating.scoring import score
from workers.setting_sections import Price
from workers.settings import load_settings
from workers.taskfiles import load_task


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
    loaded = load_task(task)
    refuse_contradictions([loaded.task])
    files = files_of(loaded, data, input_)
    flags = {
        "model.base_url": model_url,
        "model.name": model,
        "model.api_key_file": api_key_file,
        "batching.max_items": batch_size,
    }
    folder = load_settings({}, config).calibration_folder
    calibration = calibrations_of([loaded], folder).get(loaded.task.name)
    ran = run_dry(loaded, files, Wish(flags, config, limit, local), calibration)
    # Only now, when nobody is left who could see them, are the gold labels opened.
    gold = load_gold(files.gold, loaded.task)
    report = score(loaded.task, gold, ran.outcomes)
    if calibration is not None:
        gold_hash = hashlib.sha256(files.gold.read_bytes()).hexdigest()
        report = replace(report, promise=promise_score(loaded.task, gold, ran.outcomes, calibration, gold_hash))
    _show(Measured(report, ran.meter, ran.settings.model.price()), files, out, as_json=as_json)


def _show(measured: Measured, files: Files, out: Path | None, *, as_json: bool) -> None:
    report, meter, price = measured.report, measured.meter, measured.price
    value = {
        **report_json(report),
        "sample": str(files.sample),
        "gold": str(files.gold),
        "usage": usage_json(meter, price, report.records),
    }
    if out is not None:
        write_json(out, value)
    if as_json:
        print_json(value)
        return
    for title, heads, rows in tables(report):
        print(f"\n{title}")
        print_table(heads, rows)
    print(f"\n{usage_line(meter, price, report.records)}.")
