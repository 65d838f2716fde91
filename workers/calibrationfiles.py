"""Calibration files: where they are, and the one sentence about one that cannot be used."""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import orjson
from pydantic import ValidationError

from schemas.calibration import Bound, Calibration
from workers.exits import UserError
from workers.promising.binding import difference
from workers.taskfiles import LoadedTask


def calibration_path(loaded: LoadedTask, folder: Path | None) -> Path:
    """Return where the task's calibration is expected: in the folder of the settings, else beside the task file."""
    return (folder or loaded.path.parent) / f"{loaded.task.name}.calibration.json"


def read_calibration(loaded: LoadedTask, folder: Path | None) -> Calibration:
    """Return the task's calibration. Raises UserError for one that is missing or damaged."""
    path, again = calibration_path(loaded, folder), _advice(loaded)
    try:
        return Calibration.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise UserError(f"task {loaded.task.name} states a promise and there is no calibration {path}: {again}") from None
    except OSError as error:
        raise UserError(f"the calibration {path} cannot be read ({error.strerror}): correct calibration_folder") from None
    except ValidationError:
        raise UserError(f"{path} is no calibration of this version: {again}") from None


def calibrations_of(tasks: Sequence[LoadedTask], folder: Path | None) -> dict[str, Calibration]:
    """Return the calibration of every task that states a promise, by name. Raises UserError for one that is missing."""
    return {each.task.name: read_calibration(each, folder) for each in tasks if each.task.promise is not None}


def refuse_other(made: Calibration, wanted: Bound, loaded: LoadedTask) -> None:
    """Raise UserError for a calibration that is of something else, naming what differs."""
    what = difference(made.bound, wanted)
    if what is not None:
        raise UserError(f"the calibration of task {wanted.task} {what}: {_advice(loaded)}, or go back to what it is of")


def write_calibration(made: Calibration, path: Path) -> None:
    """Write the file whole or not at all. Raises UserError when that cannot be done."""
    data = orjson.dumps(made.model_dump(mode="json"), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            file.write(data)
        os.replace(file.name, path)  # noqa: PTH105  # a worker that starts meanwhile reads the old or the new one
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error.strerror}): name another file with --out") from None


def _advice(loaded: LoadedTask) -> str:
    return f"calibrate with `nanotriage calibrate --task {loaded.path}` and labelled data"
