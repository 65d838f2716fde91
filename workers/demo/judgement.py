"""The judgement: opens the gold files, when nobody is left who could see them, and joins all figures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from workers.demo.examples import as_json, examples
from workers.demo.figures import (
    REFERENCE_MODEL,
    Rates,
    exactly_once,
    main_accuracy,
    outcomes_of,
    task_figures,
    totals,
    with_gold,
)
from workers.demo.machine import machine, versions
from workers.demo.plan import BAD_RECORDS, Part
from workers.demo.tally import Seen, Sent, Tally
from workers.demo.worker_metrics import TaskUse, WorkerUse
from workers.evaluating.gold import load_gold
from workers.evaluating.scores import Report
from workers.evaluating.scoring import score
from workers.setting_sections import Settings


@dataclass(frozen=True, slots=True)
class Worked:
    """What is known of the worker: when it began (milliseconds since the epoch), what it used, how it ended."""

    started_ms: float
    use: WorkerUse
    exit_code: int
    read_to_the_end: bool


@dataclass(frozen=True, slots=True)
class Run:
    """What there is to show: the figures, and some events whole."""

    figures: Mapping[str, Any]
    shown: Sequence[tuple[Sent, Seen]]

    @property
    def holds(self) -> bool:
        """Whether every input has exactly one event and the worker stopped in order."""
        return bool(self.figures["exactly_once"]["holds"]) and self.figures["worker_exit_code"] == 0


def judged(parts: Sequence[Part], tally: Tally, worked: Worked, settings: Settings, facts: Mapping[str, Any]) -> Run:
    """Return the run judged. Raises UserError for a gold file that is not one."""
    rates = Rates(settings.model.price(), settings.model.prices.get(REFERENCE_MODEL))
    tasks: dict[str, dict[str, Any]] = {}
    for part in parts:
        name = part.task.name
        use = worked.use.tasks.get(name, TaskUse())
        report = _report(part, tally)
        labelled, answered = main_accuracy(report)
        figures = task_figures(name, tally, use, rates, worked.started_ms)
        tasks[name] = with_gold({**figures, "accuracy": {"labelled": labelled, "answered": answered}}, report)
    shown = examples(tally, [part.task.name for part in parts])
    return Run(
        {
            "exactly_once": exactly_once(tally, read_to_the_end=worked.read_to_the_end),
            "worker_exit_code": worked.exit_code,
            "totals": totals(tasks, tally, worked.started_ms, worked.use),
            "tasks": tasks,
            "model": {"name": settings.model.name, "base_url": settings.model.base_url, "local": facts["local_model"]},
            "bad_records": list(BAD_RECORDS)[: sum(part.bad for part in parts)],
            **facts,
            "machine": machine(),
            "versions": versions(embedded_kafka=bool(facts["embedded_kafka"])),
            "examples": [as_json(sent, seen) for sent, seen in shown],
        },
        shown,
    )


def _report(part: Part, tally: Tally) -> Report | None:
    path = part.loaded.gold_path
    return (
        None if path is None else score(part.loaded.task, load_gold(path, part.loaded.task), outcomes_of(part.task.name, tally))
    )
