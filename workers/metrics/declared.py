"""How a metric is declared: a line of the catalogue that is also the typed accessor of the metric itself."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Generic, Self, TypeVar, overload

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

M = TypeVar("M", Counter, Gauge, Histogram)
V = TypeVar("V", bound=MetricWrapperBase)
NAMESPACE = "nanotriage"


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


class Children(dict[str, V], Generic[V]):
    """The children of one metric by the value of its last label, each bound when it is first used."""

    def __init__(self, metric: V, *first: str) -> None:
        super().__init__()
        self._metric = metric
        self._first = first

    def __missing__(self, value: str) -> V:
        self[value] = child = self._metric.labels(*self._first, value)
        return child


def declarations(holder: type[object]) -> Iterator[tuple[str, Declared[Any]]]:
    """Return what a class and those it is made of declare, with its attribute, those first named first."""
    for part in reversed(holder.__mro__):
        yield from ((name, value) for name, value in vars(part).items() if isinstance(value, Declared))


class Exposed:
    """A process's metrics: what its class declares, over a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry(auto_describe=False)
        for attribute, declared in declarations(type(self)):
            self.__dict__[attribute] = declared.made(self.registry)

    def exposition(self) -> bytes:
        """Return the Prometheus text format, without the `_created` series nobody reads."""
        return generate_latest(_WithoutCreated(self.registry))


class _WithoutCreated(Collector):
    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterator[Family]:
        for family in self._registry.collect():
            family.samples = [sample for sample in family.samples if not sample.name.endswith("_created")]
            yield family
