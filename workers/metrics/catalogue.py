"""Every metric, once: the declarations of `Metrics` are the catalogue, the documentation and the typed accessors.

`metrics.records_done` is a prometheus Counter for mypy too, so a misspelt metric fails there. The registry is the object's
own; nothing is registered globally.
"""

from collections.abc import Mapping
from typing import Any, get_args

from prometheus_client import Counter, ProcessCollector

from workers.metrics.areas import CommitResult, ControlMetrics, LaneMetrics, ProcessMetrics
from workers.metrics.declared import Declared, Exposed, declarations
from workers.metrics.drift_metrics import DriftMetrics
from workers.metrics.partition_metrics import PartitionMetrics
from workers.metrics.probe_metrics import ProbeMetrics
from workers.metrics.promise_metrics import PromiseMetrics
from workers.metrics.task_metrics import PerTask, TaskMetrics


class Metrics(ProcessMetrics, ControlMetrics, LaneMetrics, PromiseMetrics, PerTask, Exposed):
    """A worker's metrics over a registry of its own."""

    def __init__(self, version: str) -> None:
        super().__init__()
        self.build_info.labels(version).set(1)
        self.commits: Mapping[CommitResult, Counter] = {r: self.lane_commits.labels(r) for r in get_args(CommitResult)}

    def watch_process(self) -> None:
        """Expose memory, CPU and file descriptors of this process too."""
        ProcessCollector(registry=self.registry)

    def for_task(self, task: str) -> TaskMetrics:
        """Return the metrics of one task, bound; call it once per task, not once per record."""
        return TaskMetrics(self, task)

    def for_partition(self, topic: str, number: int) -> PartitionMetrics:
        """Return the gauges of one partition; `forget` them when the partition is revoked."""
        return PartitionMetrics(self, topic, number)


HOLDERS: tuple[type[Exposed], ...] = (Metrics, DriftMetrics, ProbeMetrics)
"""What a worker exposes, and what the processes beside it do."""


def catalogue() -> tuple[Declared[Any], ...]:
    """Return every metric's declaration, in the order they are written."""
    return tuple(declared for holder in HOLDERS for _, declared in declarations(holder))


def metrics_markdown() -> str:
    """Return the metrics table of the documentation."""
    lines = ["| metric | type | labels | unit | meaning |", "|---|---|---|---|---|"]
    lines += [
        f"| `{m.exposed}` | {m.kind.__name__.lower()} | {', '.join(f'`{label}`' for label in m.labels)} | {m.unit} | {m.help} |"
        for m in catalogue()
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(metrics_markdown(), end="")
