"""Every metric, once. Stages never see this room: `workers.watch` turns their facts into metrics."""

from workers.metrics.areas import CallOutcome, Outcome
from workers.metrics.catalogue import HOLDERS, Metrics, catalogue, metrics_markdown
from workers.metrics.declared import Declared
from workers.metrics.partition_metrics import PartitionMetrics
from workers.metrics.task_metrics import TaskMetrics

__all__ = [
    "HOLDERS",
    "CallOutcome",
    "Declared",
    "Metrics",
    "Outcome",
    "PartitionMetrics",
    "TaskMetrics",
    "catalogue",
    "metrics_markdown",
]
