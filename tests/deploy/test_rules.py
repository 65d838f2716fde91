"""Alerts and recorded figures, judged by promtool with series that ought and series that ought not to raise them."""

import re
import subprocess

import pytest
import yaml

from tests.deploy import tools
from tests.deploy.tools import ROOT
from workers.metrics import catalogue

FOLDER = ROOT / "deploy" / "prometheus"
RULES = yaml.safe_load((FOLDER / "rules.yaml").read_text(encoding="utf-8"))


def promtool(*arguments):
    return subprocess.run(
        [str(tools.promtool()), *arguments], cwd=FOLDER, capture_output=True, text=True, timeout=60, check=False
    )


def test_the_rules_do_what_they_say():
    """Each with the series of a trouble, and idle workers or none at all raise nothing."""
    done = promtool("test", "rules", "rules_test.yaml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_configuration_is_one():
    """The Prometheus of the compose file reads it."""
    done = promtool("check", "config", "prometheus.yml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_has_a_test_that_raises_it():
    """An alert that was never seen to fire may be unable to."""
    tests = yaml.safe_load((FOLDER / "rules_test.yaml").read_text(encoding="utf-8"))["tests"]
    raised = {case["alertname"] for test in tests for case in test.get("alert_rule_test", []) if case.get("exp_alerts")}
    assert {rule["alert"] for group in RULES["groups"] for rule in group["rules"] if "alert" in rule} == raised


METRICS = {declared.exposed: set(declared.labels) for declared in catalogue()}


@pytest.mark.parametrize("rule", [r for g in RULES["groups"] for r in g["rules"]], ids=lambda r: r.get("alert") or r["record"])
def test_rules_select_by_labels_that_the_metrics_have(rule):
    """A selector on a label that is not there is always empty, which looks like health."""
    for name, selector in re.findall(r"\b(nanotriage_\w+)\{([^}]*)\}", rule["expr"]):
        labels = METRICS[re.sub(r"_bucket$", "", name)]
        assert set(re.findall(r"(\w+)=~?\"", selector)) <= labels
