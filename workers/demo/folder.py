"""The demonstration's folder: the files its worker is started with, and what it wrote. Made anew by each run."""

import fcntl
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import yaml

from workers.demo.plan import Part
from workers.demo.worker_settings import as_toml
from workers.exits import Exit, UserError
from workers.setting_sections import Settings
from workers.taskfiles import TASK_FILE


@contextmanager
def made_anew(data: Path) -> Iterator[Path]:
    """Give the empty folder, for one run at a time. Raises UserError while another run has it."""
    data.mkdir(parents=True, exist_ok=True)
    with (data / "demo.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(
                f"another demo runs in {data}: wait for it, or choose another folder with --data", Exit.FAILED
            ) from None
        folder = data / "demo"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        yield folder


def write_settings(folder: Path, settings: Settings) -> Path:
    path = folder / "worker.toml"
    path.write_text(as_toml(settings), encoding="utf-8")
    return path


def write_tasks(folder: Path, parts: Sequence[Part]) -> list[Path]:
    """Write each task on the run's topics, with its examples and without its gold labels."""
    return [_write_task(folder / part.task.name, part) for part in parts]


def _write_task(folder: Path, part: Part) -> Path:
    folder.mkdir()
    path = folder / TASK_FILE
    words = part.task.model_dump(mode="json", exclude_unset=True)
    path.write_text(yaml.safe_dump(words, sort_keys=False, allow_unicode=True), encoding="utf-8")
    if part.task.examples is not None and part.loaded.examples_path is not None:
        beside = folder / part.task.examples
        beside.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(part.loaded.examples_path, beside)
    return path
