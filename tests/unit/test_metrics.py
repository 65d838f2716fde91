"""Metrics: one catalogue, exposed as it is declared, cheap where records pass."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.parser import text_string_to_metric_families

from workers.asking.model import Answer, Usage
from workers.calls import Asked
from workers.health import Readiness
from workers.metrics import HOLDERS, CallOutcome, Declared, Metrics, Outcome, catalogue, metrics_markdown
from workers.metrics.declared import Exposed, declarations
from workers.setting_model import Price
from workers.watch import Watch


def exposed(metrics: Exposed) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Return every sample of the exposition by name and labels."""
    families = text_string_to_metric_families(metrics.exposition().decode())
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for family in families for s in family.samples}


def touch(metric: Counter | Gauge | Histogram) -> None:
    if isinstance(metric, Histogram):
        metric.observe(1)
    elif isinstance(metric, Counter):
        metric.inc()
    else:
        metric.set(1)


def holding(declared: Declared) -> Exposed:
    """Return a process's metrics, of that process which has this one."""
    holder = next(holder for holder in HOLDERS if declared in dict(declarations(holder)).values())
    return Metrics("1.2.3") if holder is Metrics else holder()


@pytest.mark.parametrize("declared", catalogue(), ids=lambda declared: declared.name)
def test_every_metric_of_the_catalogue_is_exposed_under_its_documented_name(declared: Declared) -> None:
    """What the table documents is what a scrape finds, with the labels it says."""
    metrics = holding(declared)
    metric = getattr(metrics, declared.name)
    touch(metric.labels(*declared.labels) if declared.labels else metric)
    found = [labels for name, labels in exposed(metrics) if name in {declared.exposed, f"{declared.exposed}_count"}]
    assert any({name for name, _ in labels} == set(declared.labels) for labels in found)
    assert f"`{declared.exposed}`" in metrics_markdown()


def test_the_attribute_and_the_metric_have_one_name() -> None:
    """A reader of a dashboard finds the line of code by searching for the name."""
    named = [(name, declared.name) for holder in HOLDERS for name, declared in declarations(holder)]
    assert len(set(named)) == len(catalogue()) > 30
    assert all(attribute == name for attribute, name in named)
    assert all(declared.help.endswith(".") for declared in catalogue())


def test_two_workers_in_one_process_do_not_share_a_registry() -> None:
    """Nothing is registered globally."""
    one, other = Metrics("1"), Metrics("1")
    one.for_task("t").received.inc()
    assert ("nanotriage_records_received_total", (("task", "t"),)) not in exposed(other)


def test_closed_label_sets_start_at_zero() -> None:
    """A rate sees the first event only when there was a zero before it."""
    metrics = Metrics("1")
    metrics.for_task("t")
    samples = exposed(metrics)
    for outcome in get_args(Outcome):
        assert samples["nanotriage_records_done_total", (("outcome", outcome), ("task", "t"))] == 0
    for outcome in get_args(CallOutcome):
        assert samples["nanotriage_model_calls_total", (("outcome", outcome), ("task", "t"))] == 0


def test_an_unknown_price_is_absent_and_not_zero() -> None:
    """A cost of 0 would be a claim."""
    metrics = Metrics("1")
    task = metrics.for_task("t")
    assert not [name for name, _ in exposed(metrics) if "cost" in name]
    task.cost(0.25)
    assert exposed(metrics)["nanotriage_model_cost_dollars_total", (("task", "t"),)] == 0.25


def test_tokens_that_nobody_counted_cost_an_unknown_amount() -> None:
    """A route that counts none would look free of charge."""
    metrics = Metrics("1")
    watch = Watch(metrics, ["t"], Price(input=1, cached=1, output=1), Readiness())
    for usage, series in ((Usage(), 0), (Usage(600_000, 0, 400_000), 1)):
        watch.call("t", Asked(Answer("{}", False, (), usage, "nano", ""), 0.1, None))
        assert len([name for name, _ in exposed(metrics) if name == "nanotriage_model_cost_dollars_total"]) == series
    assert exposed(metrics)["nanotriage_model_cost_dollars_total", (("task", "t"),)] == 1.0


def test_the_intake_counts_as_stopped_until_every_task_may_go_on() -> None:
    """One task's model is back, the other's is not."""
    metrics = Metrics("1")
    watch = Watch(metrics, ["a", "b"], None, Readiness())
    stopped = []
    for task in ("a", "b"):
        watch.barred(task, "no quota")
    for task in ("a", "b"):
        watch.unbarred(task)
        stopped.append(exposed(metrics)["nanotriage_intake_stopped", (("reason", "model"),)])
    assert stopped == [1.0, 0.0]


@given(st.lists(st.sampled_from(["opening", "open", "replacing", "forget"])))
def test_a_lane_is_in_one_state_or_in_none(states) -> None:
    """Whatever states it went through."""
    metrics = Metrics("1")
    partition = metrics.for_partition("in", 3)
    for state in states:
        partition.forget() if state == "forget" else partition.state(state)
    shown = {dict(labels)["state"]: value for (name, labels), value in exposed(metrics).items() if name.endswith("lane_state")}
    assert shown == ({states[-1]: 1.0} if states and states[-1] != "forget" else {})


def test_a_revoked_partition_leaves_no_gauge_behind() -> None:
    """Its next owner reports it: two workers must not."""
    metrics = Metrics("1")
    kept, revoked = metrics.for_partition("in", 1), metrics.for_partition("in", 2)
    for partition in (kept, revoked):
        partition.lag(5)
        partition.not_done(2)
        partition.state("open")
    revoked.forget()
    revoked.forget()
    assert {dict(labels).get("partition") for _, labels in exposed(metrics)} >= {"1"}
    assert not [labels for _, labels in exposed(metrics) if dict(labels).get("partition") == "2"]


def test_open_label_sets_are_bound_once() -> None:
    """The second event of a reason costs a dictionary look-up."""
    task = Metrics("1").for_task("t")
    assert task.escalations["low_confidence"] is task.escalations["low_confidence"]
    with pytest.raises(AttributeError):
        task.escalated = 1  # a misspelt metric


def test_no_created_series_doubles_the_exposition() -> None:
    """Nobody reads them."""
    metrics = Metrics("1")
    metrics.for_task("t").batch_items.observe(3)
    assert "_created" not in metrics.exposition().decode()
