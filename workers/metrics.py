"""Every metric, once: the declarations of `Metrics` are the catalogue, the documentation and the typed accessors.

`metrics.records_done` is a prometheus Counter for mypy too, so a misspelt metric fails there. Stages never see this module:
`pipeline` turns their facts into metrics. The registry is the object's own; nothing is registered globally.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Generic, Literal, Self, TypeVar, get_args, overload

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

M = TypeVar("M", Counter, Gauge, Histogram)
V = TypeVar("V", bound=MetricWrapperBase)
NAMESPACE = "nanotriage"

Outcome = Literal["labelled", "escalated", "dead"]
Closed = Literal["count", "tokens", "linger", "free_slot", "drain"]
CallOutcome = Literal["answer", "try_again", "too_big", "refused", "broken", "barred"]
HedgeWon = Literal["first", "second"]
TokenKind = Literal["input", "cached", "output"]
CommitResult = Literal["committed", "replaced", "fenced"]

CALL_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0, 120.0)
COMMIT_SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 15.0)
EVENT_SECONDS = (0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0)
ITEMS = (1.0, 2.0, 4.0, 8.0, 16.0, 24.0, 32.0, 48.0, 64.0, 128.0, 256.0)
PROBABILITY = (0.1, 0.3, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98, 0.99, 0.999, 1.0)


@dataclass(frozen=True, slots=True)
class Declared(Generic[M]):
    """One line of the catalogue. Read through a `Metrics` object it is that object's own metric."""

    kind: type[M]
    name: str
    help: str
    labels: tuple[str, ...] = ()
    unit: str = ""
    buckets: tuple[float, ...] = ()

    @overload
    def __get__(self, owner: None, owner_type: type[object]) -> Self: ...
    @overload
    def __get__(self, owner: object, owner_type: type[object]) -> M: ...
    def __get__(self, owner: object | None, owner_type: type[object]) -> Self | M:
        """Return the declaration: an object's own metrics lie in its `__dict__`, which Python looks at first."""
        return self

    def made(self, registry: CollectorRegistry) -> M:
        extra: dict[str, Any] = {"buckets": self.buckets} if self.buckets else {}
        return self.kind(self.name, self.help, self.labels, namespace=NAMESPACE, registry=registry, **extra)

    @property
    def exposed(self) -> str:
        """Return the name as Prometheus sees it."""
        return f"{NAMESPACE}_{self.name}" + ("_total" if self.kind is Counter else "")


class Metrics:
    """A worker's metrics over a registry of its own."""

    records_received = Declared(Counter, "records_received", "Records read from the input topic.", ("task",), "records")
    records_done = Declared(Counter, "records_done", "Records with a verdict.", ("task", "outcome"), "records")
    escalations = Declared(Counter, "escalations", "Escalated records, by their first reason.", ("task", "reason"), "records")
    dead_letters = Declared(Counter, "dead_letters", "Dead records, by reason.", ("task", "reason"), "records")
    batches = Declared(Counter, "batches", "Closed batches, by what closed them.", ("task", "closed_because"), "batches")
    batch_items = Declared(Histogram, "batch_items", "Messages in a batch.", ("task",), "messages", ITEMS)
    batch_size = Declared(Gauge, "batch_size", "Messages that a batch should hold now.", ("task",), "messages")
    model_calls = Declared(Counter, "model_calls", "Calls of the model, by what came back.", ("task", "outcome"), "calls")
    model_calls_hedged = Declared(
        Counter, "model_calls_hedged", "Slow calls made a second time, by which was answered first.", ("task", "won"), "calls"
    )
    model_call_seconds = Declared(Histogram, "model_call_seconds", "Time of a call.", ("task",), "seconds", CALL_SECONDS)
    model_tokens = Declared(
        Counter, "model_tokens", "Tokens as the provider counts them; cached ones are input too.", ("task", "kind"), "tokens"
    )
    model_cost_dollars = Declared(
        Counter, "model_cost_dollars", "Cost of the calls; absent while the price is unknown.", ("task",), "US dollars"
    )
    items_reasked = Declared(
        Counter, "items_reasked", "Messages asked again, by what was wrong before.", ("task", "why"), "messages"
    )
    call_wait_seconds = Declared(
        Histogram, "call_wait_seconds", "Time of a call before it was let go by the limits.", ("task",), "seconds", CALL_SECONDS
    )
    calls_waiting = Declared(Gauge, "calls_waiting", "Calls that the limits hold back.", (), "calls")
    calls_at_once = Declared(Gauge, "calls_at_once", "Calls that may be under way at once now.", (), "calls")
    breaker_open = Declared(Gauge, "breaker_open", "1 while the provider is left alone because it fails.")
    limit_per_minute = Declared(
        Gauge, "limit_per_minute", "The account's limit as set or told; absent while unknown.", ("kind",), "per minute"
    )
    limit_part = Declared(
        Gauge,
        "limit_part",
        "The part of the account's limits for this worker: a share and a loan.",
        ("kind",),
        "share",
    )
    limit_left = Declared(
        Gauge, "limit_left", "What the provider said is left of it; absent while unknown.", ("kind",), "share"
    )
    calls_in_flight = Declared(Gauge, "calls_in_flight", "Calls that wait for their answer.", (), "calls")
    messages_waiting = Declared(Gauge, "messages_waiting", "Messages held and not yet in a batch.", (), "messages")
    lag_records = Declared(
        Gauge, "lag_records", "Records between our position and the end of the partition.", ("topic", "partition"), "records"
    )
    records_not_done = Declared(
        Gauge, "records_not_done", "Received records without a committed event.", ("topic", "partition"), "records"
    )
    lane_commits = Declared(Counter, "lane_commits", "Commits of a lane, by how they ended.", ("result",), "commits")
    lane_commit_seconds = Declared(Histogram, "lane_commit_seconds", "Time of a commit.", (), "seconds", COMMIT_SECONDS)
    lane_state = Declared(Gauge, "lane_state", "1 for the state the lane is in.", ("topic", "partition", "state"))
    record_to_event_seconds = Declared(
        Histogram, "record_to_event_seconds", "From the record's time to its event.", ("task",), "seconds", EVENT_SECONDS
    )
    confidence = Declared(
        Histogram, "confidence", "Confidence of a label, where it has one.", ("task", "field"), "probability", PROBABILITY
    )
    model_shutdown_days = Declared(
        Gauge,
        "model_shutdown_days",
        "Days until the provider shuts the model down; absent while no date is known.",
        ("model",),
        "days",
    )
    tasks = Declared(Gauge, "tasks", "Tasks of the worker's event loop.", (), "tasks")
    intake_stopped = Declared(Gauge, "intake_stopped", "1 while nothing is read, and why.", ("reason",))
    ready = Declared(Gauge, "ready", "1 when /ready answers 200.")
    build_info = Declared(Gauge, "build_info", "Always 1; the version is its label.", ("version",))

    def __init__(self, version: str) -> None:
        self.registry = CollectorRegistry(auto_describe=False)
        for attribute, declared in _declarations():
            self.__dict__[attribute] = declared.made(self.registry)
        self.build_info.labels(version).set(1)
        self.commits: Mapping[CommitResult, Counter] = {r: self.lane_commits.labels(r) for r in get_args(CommitResult)}

    def watch_process(self) -> None:
        """Expose memory, CPU and file descriptors of this process too."""
        ProcessCollector(registry=self.registry)

    def for_task(self, task: str) -> "TaskMetrics":
        """Return the metrics of one task, bound; call it once per task, not once per record."""
        return TaskMetrics(self, task)

    def for_partition(self, topic: str, number: int) -> "PartitionMetrics":
        """Return the gauges of one partition; `forget` them when the partition is revoked."""
        return PartitionMetrics(self, topic, number)

    def exposition(self) -> bytes:
        """Return the Prometheus text format, without the `_created` series nobody reads."""
        return generate_latest(_WithoutCreated(self.registry))


class Children(dict[str, V], Generic[V]):
    """The children of one metric by the value of its last label, each bound when it is first used."""

    def __init__(self, metric: V, *first: str) -> None:
        super().__init__()
        self._metric = metric
        self._first = first

    def __missing__(self, value: str) -> V:
        self[value] = child = self._metric.labels(*self._first, value)
        return child


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
        "dead_letters",
        "done",
        "escalations",
        "hedges",
        "reasked",
        "received",
        "record_to_event_seconds",
        "tokens",
    )

    def __init__(self, metrics: Metrics, task: str) -> None:
        self._task, self._cost = task, metrics.model_cost_dollars
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

    def cost(self, dollars: float) -> None:
        """Add the cost of a call whose price is known. Not called for an unknown price: the series stays absent."""
        self._cost.labels(self._task).inc(dollars)


class PartitionMetrics:
    """One partition's gauges, absent until they are set and after `forget`: a partition is watched by one worker at a time."""

    __slots__ = ("_metrics", "_state", "_where")

    def __init__(self, metrics: Metrics, topic: str, number: int) -> None:
        self._metrics, self._where = metrics, (topic, str(number))
        self._state: str | None = None

    def lag(self, records: int) -> None:
        self._metrics.lag_records.labels(*self._where).set(records)

    def not_done(self, records: int) -> None:
        self._metrics.records_not_done.labels(*self._where).set(records)

    def state(self, name: str) -> None:
        """Say that the lane is in this state and in no other."""
        if name != self._state:
            self._leave_state()
            self._metrics.lane_state.labels(*self._where, name).set(1)
            self._state = name

    def forget(self) -> None:
        self._leave_state()
        for gauge in (self._metrics.lag_records, self._metrics.records_not_done):
            with suppress(KeyError):  # it was never set
                gauge.remove(*self._where)

    def _leave_state(self) -> None:
        if self._state is not None:
            self._metrics.lane_state.remove(*self._where, self._state)
            self._state = None


class _WithoutCreated(Collector):
    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterator[Family]:
        for family in self._registry.collect():
            family.samples = [sample for sample in family.samples if not sample.name.endswith("_created")]
            yield family


K = TypeVar("K", bound=str)


def _bound(counter: Counter, task: str, values: tuple[K, ...]) -> dict[K, Counter]:
    return {value: counter.labels(task, value) for value in values}


def _declarations() -> Iterator[tuple[str, Declared[Any]]]:
    return ((name, value) for name, value in vars(Metrics).items() if isinstance(value, Declared))


def catalogue() -> tuple[Declared[Any], ...]:
    """Return every metric's declaration, in the order they are written."""
    return tuple(declared for _, declared in _declarations())


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
