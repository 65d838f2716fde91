"""`nanotriage label`: a file of messages through the real stages, without Kafka."""

import os
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer

from workers.calibrationfiles import calibrations_of
from workers.commands.dry import Ran, Wish, run_inputs, write_text
from workers.commands.run import refuse_contradictions
from workers.commands.settings import JsonOption, KeyFileOption, ModelOption, ModelUrlOption, TaskOption
from workers.commands.table import print_json, print_table
from workers.evaluating.figures import usage_json, usage_line
from workers.evaluating.inputs import Input, load_inputs
from workers.evaluating.labelled_file import LabelledLines, LabelledSheet, Result
from workers.evaluating.outcome import Outcome
from workers.evaluating.sheets import is_sheet, read_sheet
from workers.exits import UserError
from workers.settings import load_settings
from workers.taskfiles import LoadedTask, load_task


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
    go_on: Annotated[bool, typer.Option("--go-on", help="Keep what the file of --out has already; label the rest.")] = False,
    local: Annotated[bool, typer.Option("--local", help="Ask a local labeller, started for this run: no key.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Label the messages of a file with the worker's own stages, and write what became of each.

    A CSV's columns are named as the task's source names the parts of a message (text, id, key); other columns stay as they are.
    A run that ends early leaves what it has, for --go-on.
    """
    loaded = load_task(task)
    refuse_contradictions([loaded.task])
    _refuse_files(file, out)
    inputs = load_inputs(file, loaded.task.source, limit)
    form = LabelledSheet(read_sheet(file), loaded.task) if is_sheet(out) else LabelledLines(loaded.task)
    work = _Work(out, inputs, form, [None] * len(inputs))
    if go_on and out.exists():
        work.take_up()
    flags = {"model.base_url": model_url, "model.name": model, "model.api_key_file": api_key_file}
    left = len(work.left())
    ran = work.do(loaded, Wish(flags, config, local=local)) if left else None
    counts = work.counts()
    usage = None if ran is None else (ran.meter, ran.settings.model.price(), left)
    if as_json:
        told = {f"{kind} {why}".strip(): count for (kind, why), count in counts}
        print_json({"messages": len(inputs), "outcomes": told, "usage": None if usage is None else usage_json(*usage)})
        return
    print_table(("OUTCOME", "REASON", "MESSAGES"), [(kind, why or "-", str(count)) for (kind, why), count in counts])
    print(f"\nWritten before: {out}" if usage is None else f"\n{usage_line(*usage)}.\nWritten: {out}")


@dataclass(frozen=True, slots=True)
class _Work:
    """The messages, and what became of them so far, in one order."""

    out: Path
    inputs: Sequence[Input]
    form: LabelledSheet | LabelledLines
    results: list[Result | None]

    def take_up(self) -> None:
        """Take over what an earlier run wrote. Raises UserError when it is not of these messages."""
        earlier = self.form.earlier(self.out, self._ids())
        if len(earlier) > len(self.results):
            raise UserError(f"{self.out} has {len(earlier)} messages, more than --limit: leave it out, or --go-on")
        self.results[: len(earlier)] = earlier

    def left(self) -> list[int]:
        """Return the places of the messages without a result."""
        return [place for place, result in enumerate(self.results) if result is None]

    def do(self, loaded: LoadedTask, wish: Wish) -> Ran:
        """Ask about what is left, and write what came out, however it ends. Raises UserError."""
        calibration = calibrations_of([loaded], load_settings({}, wish.config).calibration_folder).get(loaded.task.name)
        # Ids may be missing or there twice: meanwhile a message is called by its place.
        called = [replace(self.inputs[place], message_id=str(place)) for place in self.left()]
        try:
            ran = run_inputs(loaded, called, wish, calibration, self._came)
        except BaseException:
            if done := len(self.inputs) - len(self.left()):
                self._write()
                print(f"{self.out} has {done} of {len(self.inputs)} messages: --go-on asks about the rest.", file=sys.stderr)
            raise
        self._write()
        return ran

    def counts(self) -> list[tuple[tuple[str, str], int]]:
        """Return how many messages had each outcome and reason, most first."""
        told = Counter(self.form.told(result) for result in self.results if result is not None)
        return told.most_common()

    def _came(self, outcomes: Sequence[Outcome]) -> None:
        for one in outcomes:
            place = int(one.message_id or 0)
            self.results[place] = self.form.result(one, self.inputs[place].message_id)

    def _write(self) -> None:
        text = self.form.text(self.results, self._ids())
        if self.out.is_symlink() or (self.out.exists() and not self.out.is_file()):  # such as /dev/stdout
            write_text(self.out, text)
            return
        draft = self.out.with_name(f"{self.out.name}.draft")
        write_text(draft, text)
        draft.replace(self.out)  # whole or not at all: it may hold what an earlier run was paid for

    def _ids(self) -> list[str | None]:
        return [each.message_id for each in self.inputs]


def _refuse_files(file: Path, out: Path) -> None:
    """Raise UserError for files that do not go together, before anybody is asked."""
    if out.resolve() == file.resolve():
        raise UserError(f"{out} is what is read: name another file with --out")
    if is_sheet(out) and not is_sheet(file):
        raise UserError(f"{file} has no columns to keep in {out}: name a .jsonl file with --out")
    if not out.parent.is_dir():
        raise UserError(f"there is no folder {out.parent}: make it, or name another file with --out")
    if not os.access(out if out.exists() else out.parent, os.W_OK):
        raise UserError(f"{out} may not be written: name another file with --out")
