"""What a model server is started with, as a value and as a command line of its own process."""

import argparse
import importlib.util
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from workers.exits import UserError

DATA = Path(".nanotriage")
HOST = "127.0.0.1"


class Kind(StrEnum):
    """What stands behind the door."""

    CLASSIFIER = "classifier"
    RANDOM = "random"  # the negative control
    LLM = "llm"  # a real llama.cpp server, for the wire only


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """`tasks` are names, files or folders whose examples are learned at the start; `port` 0 means any free one."""

    kind: Kind = Kind.CLASSIFIER
    tasks: tuple[str, ...] = ()
    data: Path = DATA
    host: str = HOST
    port: int = 0
    seed: int = 0
    api_key_file: Path | None = None

    @property
    def models_folder(self) -> Path:
        """Where weights and embeddings are kept between starts."""
        return self.data / "models"


def require_packages(kind: Kind) -> None:
    """Raise UserError when a package behind this kind is not installed. Asks without importing it."""
    for package in ("numpy", "onnxruntime", "tokenizers", "jgo") if kind is Kind.CLASSIFIER else ():
        if importlib.util.find_spec(package) is None:
            raise UserError(f'the local model needs the Python package {package}: pip install "nanotriage[local]"')


def command(options: ModelOptions) -> list[str]:
    """Return the command that runs such a server in the foreground."""
    arguments = [sys.executable, "-m", "workers.modelserver", "--kind", options.kind.value]
    arguments += ["--data", str(options.data.absolute()), "--host", options.host, "--port", str(options.port)]
    arguments += ["--seed", str(options.seed)]
    for task in options.tasks:
        arguments += ["--task", task]
    if options.api_key_file is not None:
        arguments += ["--api-key-file", str(options.api_key_file.absolute())]
    return arguments


def read_options(arguments: Sequence[str]) -> ModelOptions:
    """Read what `command` wrote. The command line is between our own processes; a wrong one ends with argparse's words."""
    parser = argparse.ArgumentParser(prog="python -m workers.modelserver")
    parser.add_argument("--kind", type=Kind, choices=list(Kind), default=Kind.CLASSIFIER)
    parser.add_argument("--task", dest="tasks", action="append", default=[])
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--host", default=HOST)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--api-key-file", type=Path)
    given = parser.parse_args(arguments)
    return ModelOptions(given.kind, tuple(given.tasks), given.data, given.host, given.port, given.seed, given.api_key_file)
