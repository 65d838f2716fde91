"""What the demonstration sends, and to which topics. Pure but for reading the samples."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from schemas.routes import LabelRoutes, Routes
from schemas.task import Task
from workers.evaluating.inputs import Input, load_inputs
from workers.exits import UserError
from workers.taskfiles import SAMPLE_FILE, LoadedTask

BAD_RECORDS: Mapping[str, bytes | None] = {
    "not UTF-8": b"\xff\xfe\x00 caf\xe9",
    "cut JSON": b'{"id": "cut off in the mid',
    "empty": b"",
    "no value": None,
    "no text": b'{"id": "without-a-text"}',
}
"""What every topic sees one day. None is a tombstone."""


@dataclass(frozen=True, slots=True)
class Part:
    """One task of the demonstration: the task as shipped, the same on topics of this run, and what is sent, in order."""

    loaded: LoadedTask
    task: Task
    inputs: Sequence[Input]
    bad: int


def plan(loaded: Sequence[LoadedTask], run: str, messages: int | None) -> list[Part]:
    """Return the parts: each sample's first `messages` lines, with the bad records dealt out among the tasks.

    Raises UserError for a task without a sample.
    """
    bad = [Input(value, b"bad", None) for value in BAD_RECORDS.values()]
    return [
        _part(each, run, messages, bad[place :: len(loaded)] if len(loaded) <= len(bad) else bad[place : place + 1])
        for place, each in enumerate(loaded)
    ]


def on_topics_of_run(task: Task, run: str) -> Task:
    """Return the task with the run's suffix on every topic, so that no two runs and nobody's own topics meet."""
    routes = task.routes
    if isinstance(routes.labelled, LabelRoutes):
        topics = {label: _suffixed(topic, run) for label, topic in routes.labelled.topics.items()}
        labelled: str | LabelRoutes = LabelRoutes(
            field=routes.labelled.field, topics=topics, otherwise=_suffixed(routes.labelled.otherwise, run)
        )
    else:
        labelled = _suffixed(routes.labelled, run)
    return task.model_copy(
        update={
            "source": task.source.model_copy(update={"topic": _suffixed(task.source.topic, run)}),
            "routes": Routes(labelled=labelled, escalated=_suffixed(routes.escalated, run), dead=_suffixed(routes.dead, run)),
        }
    )


def _suffixed(topic: str, run: str) -> str:
    return f"{topic}.demo-{run}"


def _part(loaded: LoadedTask, run: str, messages: int | None, bad: Sequence[Input]) -> Part:
    if loaded.sample_path is None:
        raise UserError(f"task {loaded.task.name} has no {SAMPLE_FILE} beside {loaded.path}: there is nothing to send; add one")
    inputs = list(load_inputs(loaded.sample_path, loaded.task.source, messages))
    step = len(inputs) // (len(bad) + 1)
    for count, each in enumerate(bad, start=1):
        inputs.insert(count * (step + 1) - 1, each)
    return Part(loaded, on_topics_of_run(loaded.task, run), tuple(inputs), len(bad))
