"""What the worker's metrics say of calls, tokens and money. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from prometheus_client.parser import text_string_to_metric_families

from workers.metrics import Metrics


@dataclass(frozen=True, slots=True)
class TaskUse:
    """One task's calls by outcome, batches and tokens by kind. `dollars` None is an unknown price, which is not 0."""

    calls: Mapping[str, int] = field(default_factory=dict)
    tokens: Mapping[str, int] = field(default_factory=dict)
    batches: int = 0
    batched: int = 0
    reasked: int = 0
    dollars: float | None = None


@dataclass(frozen=True, slots=True)
class WorkerUse:
    """All tasks, and the process: `cpu_seconds` and its most `resident_bytes` as of the reading."""

    tasks: Mapping[str, TaskUse]
    cpu_seconds: float | None
    resident_bytes: float | None


def read_metrics(text: str) -> WorkerUse:
    """Return what a worker's /metrics says."""
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]

    def by(metric: str, task: str, label: str) -> dict[str, int]:
        return {
            s.labels[label]: int(s.value)
            for s in samples
            if s.name == metric and s.labels.get("task") == task and s.value and label in s.labels
        }

    def one(name: str, task: str | None = None) -> float | None:
        return next((s.value for s in samples if s.name == name and s.labels.get("task") == task), None)

    tasks = {s.labels["task"] for s in samples if s.name == Metrics.records_received.exposed}
    items = Metrics.batch_items.exposed
    return WorkerUse(
        tasks={
            task: TaskUse(
                calls=by(Metrics.model_calls.exposed, task, "outcome"),
                tokens=by(Metrics.model_tokens.exposed, task, "kind"),
                batches=int(one(f"{items}_count", task) or 0),
                batched=int(one(f"{items}_sum", task) or 0),
                reasked=sum(by(Metrics.items_reasked.exposed, task, "why").values()),
                dollars=one(Metrics.model_cost_dollars.exposed, task),
            )
            for task in sorted(tasks)
        },
        cpu_seconds=one("process_cpu_seconds_total"),
        resident_bytes=one("process_resident_memory_bytes"),
    )
