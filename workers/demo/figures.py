"""The figures: what the topics, the worker's metrics and the gold labels say together. Pure; null is unknown."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from schemas.events import EventKind
from workers.demo.tally import Tally
from workers.demo.worker_metrics import TaskUse, WorkerUse
from workers.evaluating.figures import percentile
from workers.evaluating.outcome import outcome
from workers.evaluating.report import as_json, rounded
from workers.evaluating.scores import Report
from workers.setting_model import Price

REFERENCE_MODEL = "gpt-6-luna"
LATENCY_MEANS = (
    "from the input record's timestamp to its event's; all inputs are in the topic before the worker starts, so it includes "
    "their waiting there, and the worker's start"
)


@dataclass(frozen=True, slots=True)
class Rates:
    """Prices: of the model that was asked (None is unknown), and of the one whose rates are shown for comparison."""

    own: Price | None
    reference: Price | None


def task_figures(name: str, tally: Tally, use: TaskUse, rates: Rates, started_ms: float) -> dict[str, Any]:
    """Return one task's figures. `started_ms` is when the worker began, in milliseconds since the epoch."""
    rows = tally.of_task(name)
    events = [(sent, seen[0]) for _, sent, seen in rows if seen]
    waits = sorted((seen.record.timestamp_ms - sent.timestamp_ms) / 1000 for sent, seen in events)
    last_ms = max((seen.record.timestamp_ms for _, seen in events), default=started_ms)
    kinds = Counter(seen.event.kind for _, seen in events)
    reasons = {
        kind: dict(Counter(seen.event.reason for _, seen in events if seen.event.kind is kind).most_common())
        for kind in (EventKind.ESCALATED, EventKind.DEAD)
    }
    tokens = {kind: use.tokens.get(kind, 0) for kind in ("input", "cached", "output")} if use.tokens else None
    return {
        "records": len(rows),
        "labelled": kinds[EventKind.LABELLED],
        "escalated": kinds[EventKind.ESCALATED],
        "dead": kinds[EventKind.DEAD],
        "escalations_by_reason": reasons[EventKind.ESCALATED],
        "dead_by_reason": reasons[EventKind.DEAD],
        "messages_per_second": _per_second(len(events), last_ms - started_ms),
        "latency_seconds": {"p50": percentile(waits, 0.5), "p99": percentile(waits, 0.99)},
        "calls": dict(use.calls),
        "messages_per_call": round(use.batched / use.batches, 2) if use.batches else None,
        "reasked": use.reasked,
        "tokens": tokens,
        "dollars": use.dollars,
        f"dollars_at_rates_of_{REFERENCE_MODEL}": _dollars(tokens, rates.reference) if rates.own is None else None,
    }


def with_gold(figures: dict[str, Any], report: Report | None) -> dict[str, Any]:
    """Return the figures with what gold labels say of them; None is a task without gold labels."""
    if report is None:
        return {**figures, "gold": None}
    shown = as_json(report)
    return {**figures, "gold": {"labels": shown["labels"], "extraction": shown["extraction"]}}


def main_accuracy(report: Report | None) -> tuple[float | None, float | None]:
    """Return accuracy of the labelled and of all answered messages, in the task's first label field with gold labels."""
    first = next(iter(report.labels.values()), None) if report is not None else None
    return (None, None) if first is None else (rounded(first.labelled.value), rounded(first.answered.value))


def totals(tasks: Mapping[str, Mapping[str, Any]], tally: Tally, started_ms: float, use: WorkerUse) -> dict[str, Any]:
    """Return the figures of all tasks together."""
    stamps = [seen.record.timestamp_ms for events in tally.seen.values() for seen in events]
    waits = sorted(
        (seen[0].record.timestamp_ms - tally.sent[origin].timestamp_ms) / 1000 for origin, seen in tally.seen.items()
    )
    return {
        **{name: sum(task[name] for task in tasks.values()) for name in ("records", "labelled", "escalated", "dead")},
        "messages_per_second": _per_second(len(tally.seen), max(stamps, default=started_ms) - started_ms),
        "latency_seconds": {"p50": percentile(waits, 0.5), "p99": percentile(waits, 0.99), "means": LATENCY_MEANS},
        "calls": sum(sum(task["calls"].values()) for task in tasks.values()),
        "tokens": _sum_tokens([task["tokens"] for task in tasks.values()]),
        "dollars": _sum([task["dollars"] for task in tasks.values()]),
        f"dollars_at_rates_of_{REFERENCE_MODEL}": _sum(
            [task[f"dollars_at_rates_of_{REFERENCE_MODEL}"] for task in tasks.values()]
        ),
        "worker_cpu_seconds": use.cpu_seconds,
        "worker_resident_bytes": use.resident_bytes,
    }


def exactly_once(tally: Tally, *, read_to_the_end: bool) -> dict[str, Any]:
    """Return whether every input has exactly one event, by the origin that each event names."""
    return {
        "records": len(tally.sent),
        "events": tally.events,
        "lost": tally.lost,
        "doubled": tally.doubled,
        "alien": tally.alien,
        "read_to_the_end": read_to_the_end,
        "holds": tally.exactly_once and read_to_the_end,
    }


def outcomes_of(name: str, tally: Tally) -> list[Any]:
    """Return the outcomes of one task's messages, for scoring; the first event of each counts."""
    return [outcome(seen[0].event, sent.input.message_id) for _, sent, seen in tally.of_task(name) if seen]


def _per_second(count: int, milliseconds: float) -> float | None:
    return round(count / milliseconds * 1000, 1) if count and milliseconds > 0 else None


def _dollars(tokens: Mapping[str, int] | None, price: Price | None) -> float | None:
    if tokens is None or price is None:
        return None
    return price.dollars(tokens["input"], tokens["cached"], tokens["output"])


def _sum(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known and len(known) == len(values) else None


def _sum_tokens(values: Sequence[Mapping[str, int] | None]) -> dict[str, int] | None:
    known = [value for value in values if value is not None]
    return {kind: sum(value[kind] for value in known) for kind in known[0]} if known else None
