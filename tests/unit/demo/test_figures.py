"""Figures from a tally made by hand, and the examples chosen from it."""

import io
import math

import pytest
from rich.console import Console

from schemas.events import EventKind
from tests.unit.demo.test_tally import published, sent_tally
from workers.demo import examples
from workers.demo.figures import Rates, exactly_once, task_figures, totals
from workers.demo.judgement import Run
from workers.demo.show import show_examples, show_figures
from workers.demo.tally import Sent, Tally
from workers.demo.worker_metrics import TaskUse, WorkerUse, read_metrics
from workers.evaluating.inputs import Input
from workers.evaluating.outcome import Origin
from workers.metrics import Metrics
from workers.setting_model import Price

LUNA = Price(input=0.1, cached=0.01, output=0.5)
USE = TaskUse(calls={"answer": 2}, tokens={"input": 1000, "output": 100}, batches=2, batched=10)


def worked(kinds, tasks=("tickets",)):
    tally = sent_tally(len(kinds), tasks)
    for place, (origin, kind) in enumerate(zip(list(tally.sent), kinds, strict=True)):
        tally.see(published(origin, kind, timestamp_ms=2000 + 100 * place))
    return tally


def test_figures_of_ten_events():
    """Ten events, 0.1 s apart from 1 s after they were sent: counts, rate, percentiles and money are those of a pencil."""
    kinds = [EventKind.LABELLED] * 7 + [EventKind.ESCALATED] * 2 + [EventKind.DEAD]
    figures = task_figures("tickets", worked(kinds), USE, Rates(None, LUNA), started_ms=1900)
    assert (figures["records"], figures["labelled"], figures["escalated"], figures["dead"]) == (10, 7, 2, 1)
    assert figures["escalations_by_reason"] == {"low_confidence": 2}
    assert figures["dead_by_reason"] == {"empty": 1}
    assert figures["messages_per_second"] == 10
    assert figures["latency_seconds"] == {"p50": 1.4, "p99": 1.9}
    assert figures["messages_per_call"] == 5
    assert figures["dollars"] is None
    assert figures["dollars_at_rates_of_gpt-6-luna"] == pytest.approx((1000 * 0.1 + 100 * 0.5) / 1e6)


def test_unknown_is_null_and_never_zero():
    """Without events, calls or a price there is no rate, no latency, no tokens and no cost, rather than 0."""
    tally = sent_tally(1)
    figures = task_figures("tickets", tally, TaskUse(), Rates(None, None), started_ms=0)
    for name in ("messages_per_second", "messages_per_call", "tokens", "dollars", "dollars_at_rates_of_gpt-6-luna"):
        assert figures[name] is None
    assert figures["latency_seconds"] == {"p50": None, "p99": None}
    all_ = totals({"tickets": figures}, tally, 0, WorkerUse({}, None, None))
    assert all_["tokens"] is all_["dollars"] is all_["messages_per_second"] is None


def test_a_known_price_is_the_workers_own_count():
    """Where the model has a price the worker's count is shown and no comparison is made."""
    use = TaskUse(calls={"answer": 1}, tokens={"input": 10}, dollars=0.25)
    figures = task_figures("tickets", sent_tally(1), use, Rates(LUNA, LUNA), started_ms=0)
    assert (figures["dollars"], figures["dollars_at_rates_of_gpt-6-luna"]) == (0.25, None)


def test_the_claim_needs_topics_read_to_their_end():
    """One event per input proves nothing as long as a second one may lie unread."""
    tally = worked([EventKind.LABELLED] * 3)
    assert exactly_once(tally, read_to_the_end=True)["holds"] is True
    assert exactly_once(tally, read_to_the_end=False)["holds"] is False
    tally.see(published(Origin("tickets", 0, 0)))
    broken = exactly_once(tally, read_to_the_end=True)
    assert (broken["holds"], broken["doubled"], broken["lost"]) == (False, 1, 0)


def test_examples_are_three_of_each_kind_from_as_many_tasks_as_there_are():
    """Each task that has an event of the kind is shown before another is shown twice."""
    kinds = [EventKind.LABELLED] * 6 + [EventKind.ESCALATED] * 6 + [EventKind.DEAD] * 2
    shown = examples.examples(worked(kinds, ("a", "b", "c")), ["a", "b", "c"])
    found = [(seen.event.kind, sent.task) for sent, seen in shown]
    assert sorted(task for kind, task in found if kind is EventKind.LABELLED) == ["a", "b", "c"]
    assert sorted(task for kind, task in found if kind is EventKind.ESCALATED) == ["a", "b", "c"]
    assert len([kind for kind, _ in found if kind is EventKind.DEAD]) == 2
    assert len({id(seen) for _, seen in shown}) == len(shown)


def test_message_text_cannot_speak_to_the_terminal():
    """Markup and escape sequences in a text are printed as data."""
    tally = Tally()
    origin = Origin("tickets", 0, 0)
    tally.send(origin, Sent("tickets", Input(b'{"body": "[red]x[/red] \\u001b[2J"}', None, "1"), 1000))
    tally.see(published(origin))
    out = io.StringIO()
    show_examples(Console(file=out, width=150), examples.examples(tally, ["tickets"]))
    assert "[red]x[/red]" in out.getvalue()
    assert "\x1b" not in out.getvalue()


def test_what_is_printed_says_unknown_and_broken():
    """A run without a price that lost an event says both."""
    tally = sent_tally(2)
    tally.see(published(Origin("tickets", 0, 0)))
    one = {**task_figures("tickets", tally, USE, Rates(None, None), 0.0), "accuracy": {"labelled": None, "answered": None}}
    figures = {
        "exactly_once": exactly_once(tally, read_to_the_end=True),
        "totals": totals({"tickets": one}, tally, 0.0, WorkerUse({}, None, None)),
        "tasks": {"tickets": one},
        "model": {"name": "m", "base_url": "http://127.0.0.1:1/v1", "local": False},
        "bad_records": ["empty"],
        "seconds": {"all": 1.0},
    }
    out = io.StringIO()
    show_figures(Console(file=out, width=150), figures)
    assert "IS BROKEN: 2 inputs, 1 events; 1 lost" in out.getvalue()
    assert "Cost: unknown" in out.getvalue()
    assert " 0.0 %" not in out.getvalue()


def test_metrics_are_read_as_the_worker_writes_them():
    """The reader knows the worker's own exposition; a series that is absent is None."""
    metrics = Metrics("test")
    task = metrics.for_task("tickets")
    task.received.inc(5)
    task.calls["answer"].inc(2)
    task.tokens["input"].inc(100)
    task.batch_items.observe(3)
    task.batch_items.observe(2)
    task.reasked["missing"].inc()
    use = read_metrics(metrics.exposition().decode())
    assert use.cpu_seconds is None
    assert use.tasks == {"tickets": TaskUse({"answer": 2}, {"input": 100}, 2, 5, 1, None)}
    task.cost(0.5)
    dollars = read_metrics(metrics.exposition().decode()).tasks["tickets"].dollars
    assert dollars is not None
    assert math.isclose(dollars, 0.5)


def test_a_run_holds_only_when_the_worker_stopped_in_order():
    """One event per input is not enough when the worker fell over at the end."""
    once = {"holds": True}
    assert Run({"exactly_once": once, "worker_exit_code": 0}, ()).holds
    assert not Run({"exactly_once": once, "worker_exit_code": -9}, ()).holds
    assert not Run({"exactly_once": {"holds": False}, "worker_exit_code": 0}, ()).holds
