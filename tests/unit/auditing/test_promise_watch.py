"""What a person and a dashboard see of a promise, and how findings are followed through an outage."""

import asyncio

import orjson
import pytest

from schemas.promise import Promise
from tests.helpers import until
from tests.unit.auditing.house import TASK
from tests.unit.auditing.test_monitor import finding
from topics.memory import MemoryCluster
from workers.auditing.findings_file import labels_of
from workers.auditing.following import Findings
from workers.auditing.monitor import Monitor, Pledge
from workers.health import Readiness
from workers.metrics import Metrics
from workers.promising.shift import sketch_of
from workers.watch_promises import PromiseWatch


class Seen:
    """A task's monitor, and what is shown of it."""

    def __init__(self) -> None:
        self.metrics, self.readiness = Metrics("test"), Readiness()
        self.watch = PromiseWatch(self.metrics, self.readiness)
        pledge = Pledge(Promise(error=0.05), ("intent",), "c1", sketch_of([0.9, 0.8, 0.7]), 0.02, 0.25)
        self.monitor = Monitor(TASK.name, labels_of(TASK), pledge)
        self.number = 0

    def find(self, count: int, *, right: bool) -> None:
        for _ in range(count):
            self.monitor.take(finding(self.number, right=right))
            self.number += 1
        self.watch.stands(TASK.name, self.monitor.standing())

    def value(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(f"nanotriage_{name}", {"task": TASK.name, **labels})


def test_a_promise_s_standing_is_shown_and_its_alarm_said_once(caplog: pytest.LogCaptureFixture) -> None:
    """Gauges of what was found, one that alerts rest on, a notice at /ready and one line in the log."""
    seen = Seen()
    seen.find(0, right=True)
    assert seen.value("promise_status", status="unaudited") == 1
    assert seen.value("live_precision", field="*") is None
    seen.find(49, right=True)
    seen.find(1, right=False)
    assert seen.value("live_precision", field="intent") == 0.98
    assert 0.8 < seen.value("live_precision_least", field="*") < 0.98
    assert seen.value("audit_findings", field="*", label_is="wrong") == 1
    assert seen.value("live_calibration_error", field="*") == pytest.approx(0.02)
    assert seen.value("live_brier", field="*") == pytest.approx((49 * 0.04**2 + 0.96**2) / 50)
    assert (seen.value("promise_status", status="kept"), seen.value("promise_alarm")) == (1, 0)
    assert 0 < seen.value("promise_evidence", of="findings") < 1
    assert seen.value("score_shift") == 0
    assert seen.readiness.notices == ()
    seen.find(5, right=False)
    seen.find(5, right=False)
    assert (seen.value("promise_status", status="broken"), seen.value("promise_alarm")) == (1, 1)
    (notice,) = seen.readiness.notices
    assert notice.startswith("task tickets: promise broken: audits contradict the promise of 5.0% errors")
    assert [record.getMessage() for record in caplog.records] == ["promise_alarm"]


def test_when_an_operator_resumes_nothing_old_is_shown() -> None:
    """Series of findings that were forgotten go away with them."""
    seen = Seen()
    seen.find(20, right=False)
    seen.monitor = Seen().monitor
    seen.find(0, right=True)
    assert seen.value("live_precision", field="*") is None
    assert seen.value("audit_findings", field="*", label_is="wrong") is None
    assert (seen.value("promise_alarm"), seen.readiness.notices) == (0, ())


async def test_findings_are_followed_through_an_outage_and_trimming() -> None:
    """Told of once, read on when the log is back; what was trimmed away before it was read is not waited for."""
    cluster = MemoryCluster()
    cluster.create("findings", 1)
    (place,) = cluster.partitions("findings")
    monitor = Seen().monitor
    told: list[str] = []
    troubles: list[str] = []

    def write(number: int) -> None:
        cluster.produce("findings", None, orjson.dumps(finding(number).model_dump(mode="json")))

    def audited() -> int:
        return sum(judged.right for name, judged in monitor.standing().judged.items() if name == "*")

    for number in range(3):
        write(number)
    cluster.partition_log(place).trim(2)
    following = Findings(cluster.log(), {"findings": {TASK.name: monitor}}, told.append, 0.01)
    await following.catch_up()
    assert (audited(), told) == (1, [TASK.name])
    task = asyncio.ensure_future(following.follow(troubles.append))
    try:
        write(3)
        await until(lambda: audited() == 2)
        cluster.down = True
        await until(lambda: troubles)
        cluster.down = False
        write(4)
        await until(lambda: audited() == 3)
        assert troubles == ["the cluster is down"]
    finally:
        task.cancel()
        await asyncio.wait([task])
