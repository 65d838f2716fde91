"""`nanotriage control` refuses what cannot be meant, in one sentence, before it touches the broker."""

import pytest

from workers.cli import main
from workers.commands.control import Change
from workers.exits import Exit, UserError

TOPIC = ("--set", "controls.topic=ctl")


@pytest.mark.parametrize(
    ("args", "why"),
    [
        (("set", "--all", "--max-items", "4"), "batching is of one task: name it with --task"),
        (("set", "--task", "t", "--part", "0.5"), "budget is of the account: say it with --all"),
        (("set", "--task", "t"), "say what to change"),
        (("set", "--task", "t", "--tenant", "acme"), "TENANT=WEIGHT"),
        (("pause",), "--all"),
        (("pause", "--task", "missing.yaml"), "missing.yaml"),
    ],
)
def test_what_cannot_be_meant_is_refused(args, why, capsys):
    """With what to do instead."""
    assert main(["control", *args, "--because", "so", *TOPIC]) == Exit.USAGE
    assert why in capsys.readouterr().err


def test_without_a_topic_there_is_nothing_to_control(capsys):
    """It says which setting is missing."""
    assert main(["control", "show"]) == Exit.USAGE
    assert "controls.topic" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("task", "parts", "why"),
    [
        ("refunds", {"batching": {"max_items": "many"}}, "batching.max_items: Input should be a valid integer"),
        ("refunds", {"labels": "perhaps"}, "labels: Input should be 'publish' or 'escalate'"),
        ("refunds", {"tenants": {"acme": "0"}}, "tenants.acme: Input should be greater than or equal to 0.05"),
        ("*", {"budget": {"part": "2"}}, "budget.part: Input should be less than or equal to 1"),
        ("not a task", {}, "task: String should match pattern"),
    ],
)
def test_what_no_control_can_say_is_refused(task, parts, why):
    """Before a version is spent on it."""
    with pytest.raises(UserError, match="^" + why):
        Change(task, parts, "anna", "so").altered(None, 1)


def test_parts_are_changed_one_by_one():
    """What is not named stays, `off` goes back to the settings, and a tenant without a weight is no tenant."""
    first = Change("t", {"batching": {"max_items": "4", "linger_seconds": "1"}, "tenants": {"a": "3", "b": "2"}}, "x", "y")
    before = first.altered(None, 1)
    after = Change("t", {"batching": {"max_items": None}, "tenants": {"b": None}}, "x", "z").altered(before, 2)
    assert (after.batching.max_items, after.batching.linger_seconds, after.tenants) == (None, 1.0, {"a": 3.0})
