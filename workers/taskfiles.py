"""Finds and loads a task: its file, the data beside it, and the user's own code that it names."""

import importlib
import importlib.resources
import inspect
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel, ValidationError

from schemas.checks import FunctionCheck
from schemas.fields import SENTIMENTS, UNKNOWN, LabelField
from schemas.task import Task
from workers.task_code import code_hash
from workers.task_sentences import did_you_mean, first_sentence
from workers.task_yaml import Document, TaskRefused, read_document, refuse

__all__ = ["CheckFunction", "LoadedTask", "TaskRefused", "load_task", "shipped_tasks"]

CheckFunction = Callable[[dict[str, Any], str], str | None]

TASK_FILE = "task.yaml"
SAMPLE_FILE = "sample.jsonl"
GOLD_FILE = "gold.jsonl"
_OUR_PACKAGES = frozenset({"schemas", "topics", "workers"})


@dataclass(frozen=True, slots=True)
class LoadedTask:
    """A task that can run. Paths are of files that exist; `functions` is keyed by import path.

    `code` is a hash of the user's own code that was imported, empty without any.
    """

    task: Task
    path: Path
    examples_path: Path | None
    sample_path: Path | None
    gold_path: Path | None
    reply_model: type[BaseModel] | None
    functions: Mapping[str, CheckFunction]
    code: str = ""


def shipped_tasks() -> list[str]:
    """Return the names of the tasks that come with nanotriage."""
    return sorted(folder.name for folder in _shipped_folder().iterdir() if (folder / TASK_FILE).is_file())


def load_task(reference: str, *, import_user_code: bool = True) -> LoadedTask:
    """Load a shipped task by name, or a task file or folder by path; raise TaskRefused.

    A shipped name wins over a folder of that name: write `./support_tickets` for the folder. With `import_user_code` the
    model and functions the task names are imported, from the current folder or `sys.path`; without, none of it runs.
    """
    path = _task_path(reference)
    document = read_document(path)
    try:
        # JSON mode is strict about scalars and still takes lists and texts for tuples and enums.
        task = Task.model_validate_json(json.dumps(document.data), strict=True)
    except ValidationError as error:
        place, sentence = first_sentence(document, error.errors(include_url=False))
        refuse(path, place.line, sentence)
    _check_import_paths(document, task)
    reply_model = _reply_model(document, task) if import_user_code else None
    functions = _functions(document, task) if import_user_code else {}
    return LoadedTask(
        task=task,
        path=path,
        examples_path=_examples_path(document, task),
        sample_path=_existing(path.with_name(SAMPLE_FILE)),
        gold_path=_existing(path.with_name(GOLD_FILE)),
        reply_model=reply_model,
        functions=MappingProxyType(functions),
        code=code_hash([*functions.values(), *([] if reply_model is None else [reply_model])]),
    )


def _shipped_folder() -> Path:
    return Path(str(importlib.resources.files("schemas") / "tasks"))


def _task_path(reference: str) -> Path:
    shipped = shipped_tasks()
    if reference in shipped:
        return _shipped_folder() / reference / TASK_FILE
    path = Path(reference)
    if path.is_dir():
        path /= TASK_FILE
    if path.is_file():
        return path
    near = did_you_mean(reference, shipped)
    advice = f"did you mean `{near}`?" if near else f"give a path, or one of the shipped tasks: {', '.join(shipped)}"
    raise TaskRefused(f"{path}: there is no such task file; {advice}")


def _existing(path: Path) -> Path | None:
    return path if path.is_file() else None


def _examples_path(document: Document, task: Task) -> Path | None:
    if task.examples is None:
        return None
    line = document.place(("examples",)).line
    name = Path(task.examples)
    path = document.path.parent / name
    if name.is_absolute() or ".." in name.parts:
        refuse(document.path, line, f"examples {task.examples} is not beside the task file; move it there")
    if name.name == GOLD_FILE:
        refuse(document.path, line, "the gold file is what a task is measured by, never its examples; name another file")
    if not path.is_file():
        refuse(document.path, line, f"there is no file {path}; correct `examples` or remove it")
    with path.open("rb") as lines:
        for number, text in enumerate(lines, start=1):
            if (problem := _example_problem(task, text)) is not None:
                refuse(path, number, problem)
    return path


def _example_problem(task: Task, line: bytes) -> str | None:
    try:
        example = json.loads(line)
    except (ValueError, RecursionError):
        return "is not JSON in UTF-8; write one object a line"
    if not isinstance(example, dict) or not isinstance(example.get("text"), str) or not example["text"].strip():
        return 'an example is {"text": "...", "<label field>": "<label>"} with some text; correct it'
    fields = task.classified()
    context = [] if "context" in fields else example.pop("context", [])
    if not isinstance(context, list) or not all(isinstance(said, str) for said in context):
        return "the `context` of an example is a list of earlier texts; correct it"
    for name, label in example.items():
        if name == "text":
            continue
        if name not in fields:
            return f"`{name}` is no label field of the task; use one of: {', '.join(fields)}"
        field = fields[name]
        labels = field.labels if isinstance(field, LabelField) else SENTIMENTS
        if not isinstance(label, str) or (label not in labels and label != UNKNOWN):
            return f"field {name} has no label {label!r}; correct the example or add the label"
    return None if len(example) > 1 else "the example has no label; add one"


def _named_code(task: Task) -> list[tuple[tuple[str | int, ...], str]]:
    named: list[tuple[tuple[str | int, ...], str]] = [
        (("checks", index, "function"), check.function)
        for index, check in enumerate(task.checks)
        if isinstance(check, FunctionCheck)
    ]
    return [*named, (("reply_model",), task.reply_model)] if task.reply_model else named


def _check_import_paths(document: Document, task: Task) -> None:
    for place, import_path in _named_code(task):
        package = import_path.partition(":")[0].partition(".")[0]
        if package in _OUR_PACKAGES:
            sentence = f"{import_path} would be imported from nanotriage itself; give your package a name other than {package}"
            refuse(document.path, document.place(place).line, sentence)


def _reply_model(document: Document, task: Task) -> type[BaseModel] | None:
    if task.reply_model is None:
        return None
    line = document.place(("reply_model",)).line
    model = _imported(document, line, task.reply_model)
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        refuse(document.path, line, f"{task.reply_model} is not a pydantic model; name a subclass of pydantic.BaseModel")
    return model


def _functions(document: Document, task: Task) -> dict[str, CheckFunction]:
    functions: dict[str, CheckFunction] = {}
    for place, import_path in _named_code(task):
        if place == ("reply_model",):
            continue
        line = document.place(place).line
        function = _imported(document, line, import_path)
        if not _takes_two(function):
            refuse(document.path, line, f"{import_path} is not a function of (fields, text); name one that takes these two")
        functions[import_path] = function
    return functions


def _takes_two(function: Any) -> bool:
    if not callable(function) or inspect.iscoroutinefunction(function):
        return False
    try:
        inspect.signature(function).bind({}, "")
    except TypeError:
        return False
    except ValueError:
        return True  # some builtins do not tell their signature
    return True


def _imported(document: Document, line: int, import_path: str) -> Any:
    module_name, _, name = import_path.partition(":")
    if (here := str(Path.cwd())) not in sys.path:
        # A console script does not look into the current folder. Last, so that nothing in it can stand in for a library.
        sys.path.append(here)
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        advice = "start in the folder that holds it, install it, or set PYTHONPATH"
        refuse(document.path, line, f"{import_path} cannot be imported: there is no module {error.name}; {advice}")
    except (Exception, SystemExit) as error:  # noqa: BLE001  # the user's module may raise anything
        what = " ".join(f"{type(error).__name__}: {error}".split())
        refuse(document.path, line, f"{import_path} cannot be imported: {what}; correct that module")
    if not hasattr(module, name):
        near = did_you_mean(name, vars(module))
        advice = f"did you mean `{near}`?" if near else "define it there"
        refuse(document.path, line, f"module {module_name} has no {name}; {advice}")
    return getattr(module, name)
