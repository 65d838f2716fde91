"""How many workers budget mode asks for, by KEDA's own expression library on the chart's own formula."""

import json
import math
import subprocess

import pytest

from tests.deploy import tools
from tests.deploy.chart import one, render

SPEC = {"mode": "budget", "messagesPerSecondPerPod": 50, "drainSeconds": 120}


def wanted(triggers, **scaling):
    """Workers for these values of the triggers: the formula's value over the target, rounded up as the autoscaler does."""
    tasks = {"shipped": ["support_tickets", "banking_support"]}
    spec = one(render({"scaling": SPEC | scaling, "tasks": tasks}), "ScaledObject")["spec"]
    modifiers = spec["advanced"]["scalingModifiers"]
    done = subprocess.run(
        [str(tools.formula()), modifiers["formula"]],
        input=json.dumps(triggers),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    value = float(done.stdout)
    return min(spec["maxReplicaCount"], math.ceil(value / float(modifiers["target"]))), value > float(
        modifiers["activationTarget"]
    )


@pytest.mark.parametrize(
    ("triggers", "workers"),
    [
        ({"lag_0": 40_000, "lag_1": 0, "budget": 150}, 3),  # 333 a second would drain it; 150 are fed
        ({"lag_0": 4_000, "lag_1": 4_000, "budget": 150}, 2),  # both topics count; the quota does not bind
        ({"lag_0": 40_000, "lag_1": 0, "budget": 0}, 1),  # nothing is known yet: one worker finds it out
        ({"lag_0": 40_000, "lag_1": 0, "budget": 1e9}, 7),  # known to have no limit: by lag
        ({"lag_0": 40_000, "lag_1": 0}, 7),  # Prometheus away: by lag
        ({"lag_0": 40_000, "lag_1": 0, "budget": None}, 7),
        ({"lag_0": 10_000_000, "lag_1": 0}, 24),  # never more than partitions
        ({"lag_0": 1, "lag_1": 0, "budget": 150}, 1),
    ],
)
def test_lag_and_budget_whichever_asks_for_less(triggers, workers):
    """ceil(min(lag / drain time, budget) / messages a second of a worker), and lag alone without Prometheus."""
    assert wanted(triggers) == (workers, True)


def test_a_rate_need_not_be_whole():
    """What `bench --pod` measures has a fraction; KEDA takes a fallback for invalid whose target has one."""
    assert wanted({"lag_0": 4_000, "lag_1": 0, "budget": 150}, messagesPerSecondPerPod=12.5) == (3, True)
    spec = one(render({"scaling": SPEC | {"messagesPerSecondPerPod": 12.5}}), "ScaledObject")["spec"]
    assert int(spec["advanced"]["scalingModifiers"]["target"]) > 0


def test_nothing_to_do_wakes_nobody():
    """Whatever the budget is."""
    assert wanted({"lag_0": 0, "lag_1": 0, "budget": 150})[1] is False


def test_transaction_markers_wake_nobody_where_the_value_says_so():
    """With `activationLag` at the number of partitions, a marker in each is no work."""
    assert wanted({"lag_0": 24, "lag_1": 0}, activationLag=24)[1] is False
    assert wanted({"lag_0": 25, "lag_1": 0}, activationLag=24)[1] is True
