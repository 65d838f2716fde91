"""One cluster for the whole session. Where its programs were not built, its tests are skipped, and the run says so in large letters."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.control_plane import ControlPlane
from tests.cluster.objects import RESTRICTED
from tests.deploy.conftest import pytest_runtest_call, pytest_runtest_setup  # noqa: F401 - a missing tool skips here as there
from tests.kafka_fixtures import bootstrap, kafka

__all__ = ["bootstrap", "kafka"]

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A running control plane without nodes."""
    with ControlPlane(tmp_path_factory.mktemp("cluster")) as plane:
        yield plane


@pytest.fixture(autouse=True)
def everything_runs(request: pytest.FixtureRequest) -> None:
    """A part of the cluster that has ended is named, with its last words, instead of what it left undone."""
    if "cluster" in request.fixturenames:
        request.getfixturevalue("cluster").processes.check()


@pytest.fixture(scope="session")
def namespaces(cluster: ControlPlane) -> str:
    """What the values name and a cluster has: where Strimzi watches, and a priority. Returns a namespace under Pod Security."""
    cluster.namespace("kafka")
    cluster.api.post("/apis/scheduling.k8s.io/v1/priorityclasses", {"metadata": {"name": "triage"}, "value": 1000})
    return cluster.namespace("triage", RESTRICTED)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.cluster)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    skipped = [report for report in terminalreporter.getreports("skipped") if report.nodeid.startswith("tests/cluster/")]
    if skipped:
        terminalreporter.section(f"SKIPPED, NOT PASSED: {len(skipped)} tests on a real cluster", sep="!", red=True)
    passed = terminalreporter.getreports("passed")
    rows = [row for report in passed for name, row in report.user_properties if name == "scaling" and isinstance(row, dict)]
    if rows:
        terminalreporter.section("how many workers KEDA made of one backlog under one quota")
        table = [list(rows[0]), *(list(row.values()) for row in rows)]
        widths = [max(len(str(line[column])) for line in table) for column in range(len(table[0]))]
        for line in table:
            terminalreporter.write_line("  ".join(str(cell).ljust(width) for cell, width in zip(line, widths, strict=True)))
