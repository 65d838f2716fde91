"""`nanotriage calibrate`: labelled data becomes the thresholds and probabilities that keep a task's promise."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from schemas.promise import Promise
from workers.calibrationfiles import calibration_path, write_calibration
from workers.commands.dry import Wish, files_of, run_dry
from workers.commands.run import refuse_contradictions
from workers.commands.table import print_json, print_table
from workers.evaluating.calibrating import Made, answers_of, calibrate, evidence
from workers.evaluating.calibration_report import advice, calibration_json, calibration_tables
from workers.evaluating.gold import load_gold
from workers.evaluating.unknown_report import unknown_advice
from workers.exits import Exit, UserError
from workers.installation import installed_version
from workers.promising.binding import Hashes, bound_of
from workers.promising.maps import Fitting
from workers.taskfiles import LoadedTask, load_task
from workers.wiring.lines import asked_model


def calibrate_task(
    task: Annotated[str, typer.Option(metavar="TASK", help="A shipped task's name, or the path of a task file.")],
    data: Annotated[
        Path | None, typer.Option(help="Gold labels, or a folder with gold.jsonl [default: the task's own].")
    ] = None,
    input_: Annotated[
        Path | None,
        typer.Option("--input", help="Records to send [default: sample.jsonl beside the gold]; some may have no gold label."),
    ] = None,
    error: Annotated[float | None, typer.Option(help="Try this error instead of the task's promise.")] = None,
    confidence: Annotated[float | None, typer.Option(help="With --error: the confidence.")] = None,
    unknown: Annotated[float | None, typer.Option(help="With --error: the share of unknown messages that is labelled.")] = None,
    model_url: Annotated[str | None, typer.Option(help="Base URL of the OpenAI-compatible endpoint.")] = None,
    model: Annotated[str | None, typer.Option(help="Model name.")] = None,
    api_key_file: Annotated[Path | None, typer.Option(help="File that holds the API key.")] = None,
    fitting: Annotated[
        Fitting, typer.Option("--map", help="How scores become probabilities; the threshold does not depend on it.")
    ] = Fitting.AUTO,
    out: Annotated[
        Path | None, typer.Option(help="File to write [default: where `run` looks; nothing is written with --error]")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="Settings file; by default nanotriage.toml, if it exists.")] = None,
    *,
    local: Annotated[bool, typer.Option("--local", help="Ask a local labeller, started for this run: no key.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """Ask the model about labelled messages, and find from which score on the task's promise is kept.

    Exits with 1 when no threshold keeps it. Use labelled messages drawn from real traffic at random, none of them examples.
    """
    loaded = _promising(load_task(task), error, {"confidence": confidence, "unknown": unknown})
    refuse_contradictions([loaded.task])
    files = files_of(loaded, data, input_)
    flags = {"model.base_url": model_url, "model.name": model, "model.api_key_file": api_key_file}
    ran = run_dry(loaded, files, Wish(flags, config, local=local))
    seen = evidence(loaded.task, load_gold(files.gold, loaded.task), ran.outcomes)
    answers = answers_of(ran.outcomes)
    settings = ran.settings
    model_name = asked_model(settings.model, answers.signal)
    hashes = Hashes(*answers.hashes, loaded.code)
    bound = bound_of(loaded.task, answers.signal, model_name, hashes, settings.batching.max_items)
    gold_hash = hashlib.sha256(files.gold.read_bytes()).hexdigest()
    made = calibrate(seen, bound, Made(datetime.now(UTC).date(), installed_version(), gold_hash, answers.models, fitting))
    path = out or (None if error is not None else calibration_path(loaded, settings.calibration_folder))
    if path is not None:
        write_calibration(made, path)
    if as_json:
        print_json({**calibration_json(made, seen, fitting), "file": None if path is None else str(path)})
    else:
        for title, heads, rows in calibration_tables(made, seen, fitting):
            print(f"\n{title}")
            print_table(heads, rows)
        print()
        for sentence in (*advice(made), *unknown_advice(made, seen)):
            print(sentence)
        print("Nothing was written: this was a trial." if path is None else f"Written: {path}")
    return Exit.OK if all(group.least is not None for group in made.groups.values()) else Exit.FAILED


def _promising(loaded: LoadedTask, error: float | None, beside: Mapping[str, float | None]) -> LoadedTask:
    """Return the task with the promise to calibrate. Raises UserError when there is none."""
    if error is None:
        if given := [name for name, value in beside.items() if value is not None]:
            raise UserError(f"--{given[0]} goes with --error: give both, or state them in the task's promise")
        if loaded.task.promise is None:
            name = loaded.task.name
            raise UserError(f"task {name} states no promise: add `promise: {{error: 0.05}}` to it, or try one with --error")
        return loaded
    stated = {"error": error} | {name: value for name, value in beside.items() if value is not None}
    try:
        promise = Promise.model_validate(stated)
    except ValidationError:
        raise UserError("--error and --unknown are between 0 and 0.5, --confidence between 0.5 and 1: correct them") from None
    return replace(loaded, task=loaded.task.model_copy(update={"promise": promise, "thresholds": None}))
