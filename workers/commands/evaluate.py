"""`nanotriage eval`: a task measured against gold labels, through the real stages, without Kafka."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer

from workers.calibrationfiles import calibrations_of
from workers.commands.dry import Files, Wish, files_of, read_rights, run_dry, write_json, write_text
from workers.commands.run import refuse_contradictions
from workers.commands.table import print_json, print_table
from workers.evaluating.comparing import Rights, compare, comparison
from workers.evaluating.figures import usage_json, usage_line
from workers.evaluating.gold import load_gold
from workers.evaluating.metered import Meter
from workers.evaluating.page import page
from workers.evaluating.promise_score import promise_score
from workers.evaluating.report import as_json as report_json
from workers.evaluating.report import tables
from workers.evaluating.risk import FieldRisk, field_risk, judged, risk_table
from workers.evaluating.risk import as_json as risk_json
from workers.evaluating.scores import Report
from workers.evaluating.scoring import score
from workers.setting_model import Price
from workers.settings import load_settings
from workers.taskfiles import load_task


@dataclass(frozen=True, slots=True)
class Measured:
    """What a run has to say. `price` None is unknown."""

    report: Report
    risks: Mapping[str, FieldRisk]
    rights: Rights
    meter: Meter
    price: Price | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """Where the report goes, and what it is compared with."""

    out: Path | None
    html: Path | None
    against: Path | None
    as_json: bool


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
    html: Annotated[Path | None, typer.Option(help="Write the report with plots as one HTML page.")] = None,
    against: Annotated[
        Path | None, typer.Option(help="An earlier run's --out file: compare field by field with a paired test.")
    ] = None,
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
    pairs = {name: judged(name, gold, ran.outcomes) for name in report.labels}
    rights = {name: {one.message_id or "": right for one, right in found} for name, found in pairs.items()}
    risks = {name: field_risk(name, gold, ran.outcomes) for name in report.labels}
    _show(Measured(report, risks, rights, ran.meter, ran.settings.model.price()), files, Wanted(out, html, against, as_json))


def _show(measured: Measured, files: Files, wanted: Wanted) -> None:
    report, meter, price = measured.report, measured.meter, measured.price
    compared = compare(read_rights(wanted.against), measured.rights) if wanted.against else []
    value = {
        **report_json(report),
        "confidence": {name: risk_json(one) for name, one in measured.risks.items()},
        "rights": measured.rights,
        "compared": [one.as_json() for one in compared],
        "sample": str(files.sample),
        "gold": str(files.gold),
        "usage": usage_json(meter, price, report.records),
    }
    shown = [*tables(report), risk_table(measured.risks), *([comparison(compared)] if compared else [])]
    used = f"{usage_line(meter, price, report.records)}."
    if wanted.out is not None:
        write_json(wanted.out, value)
    if wanted.html is not None:
        facts = [f"Sample {files.sample.name}, gold labels {files.gold.name}.", used]
        write_text(wanted.html, page(f"Task {report.task}", facts, shown, measured.risks))
    if wanted.as_json:
        print_json(value)
        return
    for title, heads, rows in shown:
        print(f"\n{title}")
        print_table(heads, rows)
    print(f"\n{used}")
