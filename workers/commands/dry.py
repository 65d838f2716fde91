"""A dry run as commands make it: which files, which model, with a progress bar. Used by `eval` and `calibrate`."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from schemas.calibration import Calibration
from workers.evaluating.comparing import Rights
from workers.evaluating.dry_run import DryRun, dry_run
from workers.evaluating.inputs import Input, load_inputs
from workers.evaluating.metered import Meter
from workers.evaluating.outcome import Outcome
from workers.exits import UserError
from workers.installation import installed_version
from workers.modelserver.local_model import LocalModel
from workers.modelserver.options import DATA, ModelOptions
from workers.setting_sections import Settings
from workers.settings import load_settings
from workers.taskfiles import GOLD_FILE, SAMPLE_FILE, LoadedTask
from workers.wiring.model import openai_model

# Whatever comes out is measured: a run of dead letters is a result here, not a reason to stop.
_DRY = {"health.port": "off", "brake.dead_run": 1_000_000_000, "brake.dead_share": 1, "stop_seconds": 1, "guard.share": 0}


@dataclass(frozen=True, slots=True)
class Files:
    """What is sent, and what it is measured by."""

    sample: Path
    gold: Path


@dataclass(frozen=True, slots=True)
class Wish:
    """Whom to ask and how much. `flags` are settings by dotted name, None for one that was not given."""

    flags: dict[str, Any]
    config: Path | None
    limit: int | None = None
    local: bool = False


@dataclass(frozen=True, slots=True)
class Ran:
    """What came out, what it took, and under which settings."""

    outcomes: Sequence[Outcome]
    meter: Meter
    settings: Settings


def run_dry(loaded: LoadedTask, files: Files, wish: Wish, calibration: Calibration | None = None) -> Ran:
    """Label the sample with the worker's own stages. Gold labels are not opened. Raises UserError."""
    return run_inputs(loaded, load_inputs(files.sample, loaded.task.source, wish.limit), wish, calibration)


def run_inputs(
    loaded: LoadedTask,
    inputs: Sequence[Input],
    wish: Wish,
    calibration: Calibration | None,
    came: Callable[[Sequence[Outcome]], object] = len,
) -> Ran:
    """Label these inputs with the worker's own stages; `came` is told of every outcome, however it ends. Raises UserError."""
    flags = wish.flags
    if wish.local and any(flags.get(name) for name in ("model.base_url", "model.name", "model.api_key_file")):
        raise UserError("--local brings its own model: leave out --model-url, --model and --api-key-file, or --local")
    with ExitStack() as stack:
        if wish.local:
            flags = flags | stack.enter_context(_local_model(str(loaded.path)))
        settings = load_settings({name: value for name, value in (flags | _DRY).items() if value is not None}, wish.config)
        meter = Meter()
        model = openai_model(settings.model)
        wanted = DryRun(loaded, inputs, settings, model, installed_version(), card=model.card, came=came)
        return Ran(_run(replace(wanted, calibration=calibration), meter), meter, settings)


def write_json(out: Path, value: Any) -> None:
    """Write the value. Raises UserError when that cannot be done."""
    _write(out, orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


def write_text(out: Path, text: str) -> None:
    """Write the text in UTF-8. Raises UserError when that cannot be done."""
    _write(out, text.encode())


def read_rights(path: Path) -> Rights:
    """Return which answers an earlier run had right, from the file it wrote. Raises UserError when it is none."""
    try:
        rights: Rights = orjson.loads(path.read_bytes())["rights"]
        return {field: {str(one): bool(right) for one, right in found.items()} for field, found in rights.items()}
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): correct --against") from None
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        raise UserError(f"{path} is no report of `nanotriage eval`: name a file that --out wrote") from None


def _write(out: Path, content: bytes) -> None:
    try:
        out.write_bytes(content)
    except OSError as error:
        raise UserError(f"{out} cannot be written ({error.strerror}): name another file") from None


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
        told: list[str] = []

        def tell(done: int, trouble: str | None) -> None:
            progress.update(bar, completed=done)
            if trouble is not None and trouble not in told:
                told.append(trouble)
                progress.console.print(f"waiting, {wanted.stall_seconds:g} s at most: {trouble}", markup=False, soft_wrap=True)

        return asyncio.run(dry_run(wanted, meter, tell))
