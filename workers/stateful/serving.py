"""Rollups over HTTP: `/rollups` is JSON and so is `/alerts`, `/metrics` is Prometheus text about what has ended last."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import orjson
from prometheus_client import CollectorRegistry, Gauge, generate_latest

from workers.health import HealthServer, Heartbeat, Readiness
from workers.metrics.drift_metrics import DriftMetrics
from workers.setting_sections import HealthSettings
from workers.stateful.watching import Watcher
from workers.stateful.windows import Windows

_OUTCOMES = ("labelled", "escalated", "dead")


@asynccontextmanager
async def served(watcher: Watcher, health: HealthSettings, now_ms: Callable[[], int]) -> AsyncIterator[int | None]:
    """Listen for the length of the block and give the port, None where none is wanted. Raises UserError."""
    windows = watcher.windows
    pages = {"/rollups": lambda: orjson.dumps(windows.told()), "/alerts": lambda: orjson.dumps(watcher.on())}
    readiness = Readiness()
    readiness.clear("starting")
    silent = Heartbeat(lambda: 0.0, lambda: None)  # there is no poll loop of ours: it lives while it answers
    server = HealthServer(readiness, silent, lambda: exposition(windows, now_ms()) + drift_exposition(watcher), pages)
    port = None if health.port is None else await server.start(health.host, health.port)
    try:
        yield port
    finally:
        await server.stop()


def exposition(windows: Windows, now_ms: int) -> bytes:
    """Return the rows of the last window that has ended as gauges; none while there is no such row."""
    registry, labels = CollectorRegistry(), ("task", "tenant", "model")

    def gauge(name: str, about: str, *more: str) -> Gauge:
        return Gauge(f"nanotriage_window_{name}", about, (*labels, *more), registry=registry)

    messages = gauge("messages", "Messages of the last window, by outcome.", "outcome")
    seconds = gauge("record_to_event_seconds", "Mean time from record to event.")
    tokens = gauge("tokens", "Tokens of the answers.", "kind")
    dollars = gauge("cost_dollars", "What the answers cost; absent while the price is unknown.")
    labelled = gauge("labels", "Messages by label.", "field", "label")
    for window, sums in windows.last_over(now_ms):
        place = (window.task, window.tenant or "", window.model)
        for outcome in _OUTCOMES:
            messages.labels(*place, outcome).set(sums.get(outcome, 0))
        seconds.labels(*place).set(sums["seconds_sum"] / sums["messages"])
        for kind, count in sums["tokens"].items():
            tokens.labels(*place, kind).set(count)
        if (cost := windows.dollars(window.model, sums)) is not None:
            dollars.labels(*place).set(cost)
        for field, counts in sums.get("labels", {}).items():
            for label, count in counts.items():
                labelled.labels(*place, field, label).set(count)
    return generate_latest(registry)


def drift_exposition(watcher: Watcher) -> bytes:
    """Return what the last looks saw, and the alerts that are on."""
    metrics = DriftMetrics()
    for seen in (seen for looked in watcher.seen.values() for seen in looked):
        about = _about(*seen.series, seen.subject.kind, seen.subject.field)
        metrics.drift_size.labels(*about).set(seen.size)
        metrics.drift_evidence.labels(*about).set(seen.part)
        metrics.drift_alert.labels(*about).set(0)
    for alert in watcher.on():
        about = _about(*(alert[name] for name in ("task", "tenant", "model", "kind", "field")))
        metrics.drift_alert.labels(*about).set(1)
    return metrics.exposition()


def _about(task: str, tenant: str | None, model: str | None, kind: str, field: str | None) -> tuple[str, ...]:
    return task, tenant or "", model or "", str(kind), field or ""
