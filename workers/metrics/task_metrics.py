"""One task's metrics, bound: a label lookup costs more than the increment it is for."""

from collections.abc import Mapping
from typing import TypeVar, get_args

from prometheus_client import Counter

from workers.metrics.areas import (
    CallOutcome,
    Closed,
    GuardMetrics,
    HedgeWon,
    LimitMetrics,
    ModelMetrics,
    Outcome,
    RecordMetrics,
    TokenKind,
)
from workers.metrics.declared import Children

K = TypeVar("K", bound=str)


class PerTask(GuardMetrics, LimitMetrics, ModelMetrics, RecordMetrics):
    """The areas whose metrics are a task's."""


class TaskMetrics:
    """One task's metrics with their labels bound. Closed label sets start at 0, so that a rate sees the first event."""

    __slots__ = (
        "_cost",
        "_task",
        "batch_items",
        "batch_size",
        "batches",
        "call_seconds",
        "call_wait_seconds",
        "calls",
        "confidence",
        "context_bytes",
        "contexts",
        "dead_letters",
        "done",
        "escalations",
        "guard",
        "hedges",
        "reasked",
        "received",
        "record_to_event_seconds",
        "tokens",
    )

    def __init__(self, metrics: PerTask, task: str) -> None:
        self._task, self._cost = task, metrics.model_cost_dollars
        self.guard = GuardFigures(metrics, task)
        self.received = metrics.records_received.labels(task)
        self.done: Mapping[Outcome, Counter] = _bound(metrics.records_done, task, get_args(Outcome))
        self.batches: Mapping[Closed, Counter] = _bound(metrics.batches, task, get_args(Closed))
        self.calls: Mapping[CallOutcome, Counter] = _bound(metrics.model_calls, task, get_args(CallOutcome))
        self.hedges: Mapping[HedgeWon, Counter] = _bound(metrics.model_calls_hedged, task, get_args(HedgeWon))
        self.tokens: Mapping[TokenKind, Counter] = _bound(metrics.model_tokens, task, get_args(TokenKind))
        self.batch_items = metrics.batch_items.labels(task)
        self.batch_size = metrics.batch_size.labels(task)
        self.call_seconds = metrics.model_call_seconds.labels(task)
        self.call_wait_seconds = metrics.call_wait_seconds.labels(task)
        self.record_to_event_seconds = metrics.record_to_event_seconds.labels(task)
        self.escalations = Children(metrics.escalations, task)
        self.dead_letters = Children(metrics.dead_letters, task)
        self.reasked = Children(metrics.items_reasked, task)
        self.confidence = Children(metrics.confidence, task)
        self.contexts = Children(metrics.contexts, task)
        self.context_bytes = Children(metrics.context_bytes)

    def cost(self, dollars: float) -> None:
        """Add the cost of a call whose price is known. Not called for an unknown price: the series stays absent."""
        self._cost.labels(self._task).inc(dollars)


class GuardFigures:
    """What the guard found for one task. Its labels are many and its events few, so they are looked up as they come."""

    __slots__ = ("_metrics", "_task")

    def __init__(self, metrics: GuardMetrics, task: str) -> None:
        self._metrics, self._task = metrics, task

    def compared(self, how: str, outcome: str, place: str) -> None:
        self._metrics.guard_compared.labels(self._task, how, outcome, place).inc()

    def label(self, field: str, label: str, bound: float, *, flipped: bool) -> None:
        self._metrics.guard_labels.labels(self._task, field, label, str(flipped).lower()).inc()
        self._metrics.guard_label_flip_bound.labels(self._task, field, label).set(bound)

    def place_bound(self, place: str, bound: float) -> None:
        self._metrics.guard_place_flip_bound.labels(self._task, place).set(bound)

    def isolated(self, why: str) -> None:
        self._metrics.guard_isolated.labels(self._task, why).inc()

    def canaries(self, result: str) -> None:
        self._metrics.guard_canary_calls.labels(self._task, result).inc()

    def flips(self, items: int, rate: float, bound: float) -> None:
        self._metrics.guard_flip_rate.labels(self._task, str(items)).set(rate)
        self._metrics.guard_flip_bound.labels(self._task, str(items)).set(bound)

    def trusted(self, items: int) -> None:
        self._metrics.guard_trusted_items.labels(self._task).set(items)


def _bound(counter: Counter, task: str, values: tuple[K, ...]) -> dict[K, Counter]:
    return {value: counter.labels(task, value) for value in values}
