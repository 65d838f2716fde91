"""`nanotriage label`: a file of messages through the real stages, without Kafka."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from workers.calibrationfiles import calibrations_of
from workers.commands.dry import Wish, run_inputs, write_text
from workers.commands.run import refuse_contradictions
from workers.commands.settings import JsonOption, KeyFileOption, ModelOption, ModelUrlOption, TaskOption
from workers.commands.table import print_json, print_table
from workers.evaluating.figures import usage_json, usage_line
from workers.evaluating.inputs import load_inputs
from workers.evaluating.labelled_file import labelled_lines, labelled_sheet
from workers.evaluating.outcome import Outcome
from workers.evaluating.sheets import is_sheet, read_sheet
from workers.exits import UserError
from workers.settings import load_settings
from workers.taskfiles import load_task


def label(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Messages: a CSV with a header, or one JSON value a line.")],
    task: TaskOption,
    out: Annotated[Path, typer.Option(help="File to write: .csv with the rows of a CSV, else one JSON object a line.")],
    model_url: ModelUrlOption = None,
    model: ModelOption = None,
    api_key_file: KeyFileOption = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Label the first so many only.")] = None,
    config: Annotated[Path | None, typer.Option(help="Settings file; by default nanotriage.toml, if it exists.")] = None,
    *,
    local: Annotated[bool, typer.Option("--local", help="Ask a local labeller, started for this run: no key.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Label the messages of a file with the worker's own stages, and write what became of each.

    A CSV's columns are named as the task's source names the parts of a message (text, id, key); other columns stay as they are.
    """
    loaded = load_task(task)
    refuse_contradictions([loaded.task])
    _refuse_files(file, out)
    inputs = load_inputs(file, loaded.task.source, limit)
    flags = {"model.base_url": model_url, "model.name": model, "model.api_key_file": api_key_file}
    calibration = calibrations_of([loaded], load_settings({}, config).calibration_folder).get(loaded.task.name)
    # Ids may be missing or there twice: meanwhile a message is called by its place.
    called = [replace(each, message_id=str(place)) for place, each in enumerate(inputs)]
    ran = run_inputs(loaded, called, Wish(flags, config, local=local), calibration)
    placed = {int(one.message_id or 0): one for one in ran.outcomes}
    outcomes = [placed[place] for place in range(len(inputs))]
    if is_sheet(out):
        write_text(out, labelled_sheet(read_sheet(file), loaded.task, outcomes))
    else:
        write_text(out, labelled_lines((each.message_id, one) for each, one in zip(inputs, outcomes, strict=True)))
    price = ran.settings.model.price()
    if as_json:
        counts = {f"{kind} {why}".strip(): count for (kind, why), count in _counts(outcomes)}
        print_json({"messages": len(outcomes), "outcomes": counts, "usage": usage_json(ran.meter, price, len(outcomes))})
        return
    print_table(("OUTCOME", "REASON", "MESSAGES"), [(kind, why or "-", str(count)) for (kind, why), count in _counts(outcomes)])
    print(f"\n{usage_line(ran.meter, price, len(outcomes))}.\nWritten: {out}")


def _counts(outcomes: Sequence[Outcome]) -> list[tuple[tuple[str, str], int]]:
    return sorted(Counter((one.kind.value, one.reason or "") for one in outcomes).items(), key=lambda each: -each[1])


def _refuse_files(file: Path, out: Path) -> None:
    """Raise UserError for files that do not go together, before anybody is asked."""
    if out.resolve() == file.resolve():
        raise UserError(f"{out} is what is read: name another file with --out")
    if is_sheet(out) and not is_sheet(file):
        raise UserError(f"{file} has no columns to keep in {out}: name a .jsonl file with --out")
    if not out.parent.is_dir():
        raise UserError(f"there is no folder {out.parent}: make it, or name another file with --out")
