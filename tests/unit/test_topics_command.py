"""`nanotriage topics`: what is wished of which topic, decided from the tasks and the cluster."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.context import ContextRule
from topics.provision import LogTopic, plan
from workers.commands.topics import NEW_PARTITIONS, Wish, beside_sources, config_of, lines_of, roles_of, wanted_topics
from workers.taskfiles import load_task, shipped_tasks


@pytest.fixture(params=shipped_tasks())
def task(request):
    return load_task(request.param).task


def actions(have, roles, wish):
    rows = plan(have, wanted_topics(roles, have, wish)).rows
    return {line.topic: line.action for line in lines_of(rows, roles, have)}


def test_every_topic_of_a_task_has_a_role_and_the_source_comes_first(task) -> None:
    """Nothing is forgotten, routes by label included."""
    roles = roles_of([task])
    assert set(roles) == {task.source.topic, *task.routes.topics()}
    assert next(iter(roles)) == task.source.topic


def test_a_source_is_only_looked_at_unless_it_is_asked_for(task) -> None:
    """It belongs to its producer."""
    roles = roles_of([task])
    found = actions({}, roles, Wish(None, None, create_source=False))
    assert found.pop(task.source.topic) == "missing"
    assert set(found.values()) == {"create"}
    assert set(actions({}, roles, Wish(None, None, create_source=True)).values()) == {"create"}
    have = {task.source.topic: LogTopic(task.source.topic, 3, 3)}
    assert actions(have, roles, Wish(9, None, create_source=False))[task.source.topic] == "fine"


def test_another_task_s_route_is_made_although_it_is_a_source_too(task) -> None:
    """A cascade reads the escalations of the stage before it."""
    second = task.model_copy(
        update={"name": "second", "source": task.source.model_copy(update={"topic": task.routes.escalated})}
    )
    roles = roles_of([task, second])
    assert roles[task.routes.escalated] == "escalated, source"
    assert actions({}, roles, Wish(None, None, create_source=False))[task.routes.escalated] == "create"


@given(st.integers(1, 64), st.integers(1, 5))
def test_an_existing_topic_is_never_changed_without_being_asked(partitions, replication) -> None:
    """A default may shape a new topic, never an old one."""
    roles = {"in": "source", "out": "labelled"}
    have = {name: LogTopic(name, partitions, replication) for name in roles}
    assert set(actions(have, roles, Wish(None, None, create_source=True)).values()) == {"fine"}


@given(st.integers(1, 64), st.integers(1, 64))
def test_partitions_that_are_asked_for_grow_a_topic_and_never_shrink_it(now, wanted) -> None:
    """Kafka cannot take partitions away; an operator decides."""
    found = actions({"out": LogTopic("out", now, 1)}, {"out": "labelled"}, Wish(wanted, None, create_source=False))
    assert found["out"] == ("grow" if wanted > now else "fine" if wanted == now else "differs")


def test_three_replicas_ask_for_two_in_sync() -> None:
    """Otherwise an acknowledged event may live on one disk."""
    (topic,) = wanted_topics({"out": "dead"}, {}, Wish(None, 3, create_source=False))
    assert (topic.partitions, topic.replication, topic.config) == (NEW_PARTITIONS, 3, {"min.insync.replicas": "2"})
    assert config_of(2) == config_of(None) == {}


@pytest.mark.parametrize(
    ("have", "wish", "partitions"),
    [({}, 9, 9), ({}, None, NEW_PARTITIONS), ({"in": 4}, None, 4), ({"in": 4}, 9, 4)],
)
def test_a_context_has_the_partitions_of_its_source_and_is_compacted(task, have, wish, partitions) -> None:
    """A lane reads the context of its own partition; what is silent for the time to live is deleted by the broker."""
    source = task.source.model_copy(update={"topic": "in"})
    task = task.model_copy(update={"source": source, "context": ContextRule(topic="said", ttl_hours=2)})
    have = {name: LogTopic(name, count, 1) for name, count in have.items()}
    roles = roles_of([task])
    assert (roles["said"], roles["said.forget"]) == ("context", "forget")
    found = {t.name: t for t in wanted_topics(roles, have, Wish(wish, None, create_source=False), beside_sources([task]))}
    assert {found[name].partitions for name in ("said", "said.forget")} == {partitions}
    assert found["said"].config == {"cleanup.policy": "compact,delete", "retention.ms": "7200000"}


def test_findings_are_kept_for_ever_and_in_one_order(task) -> None:
    """An alarm outlives every retention, and all workers read the same sequence of findings."""
    routes = task.routes.model_copy(update={"audit": "audit", "findings": "found"})
    task = task.model_copy(update={"routes": routes})
    roles = roles_of([task])
    assert (roles["audit"], roles["found"]) == ("audit", "findings")
    found = wanted_topics(roles, {}, Wish(9, None, create_source=False), beside_sources([task]))
    wanted = {topic.name: topic for topic in found}
    assert (wanted["audit"].partitions, wanted["audit"].config) == (9, {})
    assert (wanted["found"].partitions, wanted["found"].config) == (1, {"retention.ms": "-1"})


def test_controls_lie_in_one_order_under_the_brokers_clock(task) -> None:
    """The last control of a key stays, every change is kept for ever, signs of life for minutes."""
    roles = roles_of([task], controls="ctl")
    assert [roles[name] for name in ("ctl", "ctl.changes", "ctl.acks")] == ["controls", "changes", "acknowledgements"]
    beside = beside_sources([task], controls="ctl")
    wanted = {topic.name: topic for topic in wanted_topics(roles, {}, Wish(9, None, create_source=False), beside)}
    assert {wanted[name].partitions for name in beside} == {1}
    assert {wanted[name].config["message.timestamp.type"] for name in beside} == {"LogAppendTime"}
    assert wanted["ctl"].config["cleanup.policy"] == "compact"
    assert wanted["ctl.changes"].config["retention.ms"] == "-1"
