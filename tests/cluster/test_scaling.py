"""The real KEDA on the real worker: none to many to none, by lag and by what the quota feeds, and without Prometheus."""

import json
import math
import time
from dataclasses import asdict, dataclass

import pytest
from aiokafka import AIOKafkaProducer

from tests.broker.stage import set_stage, tickets
from tests.cluster.control_plane import CommandFailed
from tests.cluster.keda import start_keda
from tests.cluster.podrunner import PodRunner
from tests.cluster.podspec import worker_image
from tests.cluster.release import KEY, Release, values
from tests.cluster.timeline import most_at_once, pod_seconds, ungraceful
from tests.deploy.chart import one, render
from tests.deploy.prometheus import Prometheus
from tests.deploy.tools import ROOT
from tests.fakes.model_process import FakeModel

PARTITIONS, MOST = 12, 4
MESSAGES, TRANSACTIONS = 3_000, 6  # each transaction leaves a marker in each partition, which is lag until it is read past
# What the values say one worker does a second; by the lag alone 3,000 messages want four of them.
PER_POD, DRAIN_SECONDS = 49.5, 15
TOKENS_PER_MINUTE = 430_000  # about 90 messages a second at 80 tokens each: two workers' work
SHOWN = "scaling"  # the property by which the run's summary shows a row
RESULTS = ROOT / ".nanotriage" / "scaling.json"


@dataclass(frozen=True, slots=True)
class Row:
    """What one run took: pods at once, pod-seconds and refusals until the last message was done, seconds from the first one sent.

    `budget` is what Prometheus said at the end that the quota feeds, in messages a second; None where it was not known.
    """

    run: str
    budget: float | None
    most_pods: int
    pod_seconds: int
    calls: int
    refused: int
    seconds_to_drain: int
    seconds_to_none: int


class Scene:
    """KEDA, podrunner and Prometheus for all runs."""

    def __init__(self, cluster, runner, prometheus, bootstrap, kafka):
        self.release = Release(cluster)
        self.release.prepare()
        self.runner, self.prometheus, self.bootstrap, self.kafka = runner, prometheus, bootstrap, kafka
        self.rows = []

    def stated(self, stage, model, mode):
        scaling = {
            "mode": mode,
            "partitions": PARTITIONS,
            "max": MOST,
            "messagesPerSecondPerPod": PER_POD,
            "drainSeconds": DRAIN_SECONDS,
            "pollingSeconds": 2,
            "cooldownSeconds": 10,
            "stabilizationSeconds": 5,
            "budget": {"prometheus": self.prometheus.address},
        }
        return values(stage, model.base_url, scaling=scaling, monitoring={"podMonitor": True, "rules": True})

    def budget(self):
        try:
            rows = self.prometheus.ask("max(nanotriage:budget:messages_per_second)")
        except OSError:
            return None
        return round(float(rows[0]["value"][1]), 1) if rows else None

    async def run(self, name, mode, folder):
        """Take the release from no worker through a backlog to none again; return its row. The checker has judged it."""
        folder.mkdir()
        stage = await set_stage(self.bootstrap, folder, partitions=PARTITIONS)
        release, runner = self.release, self.runner
        with FakeModel("--latency-ms", "300", "--codes", "hash", "--key", KEY, "--tpm", str(TOKENS_PER_MINUTE)) as model:
            release.upgrade(self.stated(stage, model, mode))
            await release.until(lambda: release.wanted() == 0 and not release.pods(), "KEDA starts with no worker", 60)
            begun = time.time()
            await send_in_transactions(stage)
            await stage.until_progress(MESSAGES + TRANSACTIONS * PARTITIONS, 150)
            drained = time.time()
            await release.until(lambda: release.wanted() == 0 and not release.pods(), "no worker is left", 60)
            stats = model.stats()
            row = Row(
                run=name,
                budget=self.budget(),
                most_pods=most_at_once(runner.events, begun),
                pod_seconds=round(pod_seconds(runner.events, begun, drained)),
                calls=stats["calls"],
                refused=stats["limited"],
                seconds_to_drain=round(drained - begun),
                seconds_to_none=round(time.time() - begun),
            )
            exits = runner.of("exit", begun)
            await release.remove()
        verdict = await stage.judge(evidence=stage.evidence([node.folder / "data" for node in self.kafka.nodes]))
        assert verdict.kept, str(verdict)
        assert verdict.events == MESSAGES
        assert exits, "somebody worked"
        assert ungraceful([event for event in runner.events if event.at >= begun]) == []
        assert runner.of("crash", begun) == []
        self.rows.append(row)
        return row


async def send_in_transactions(stage):
    """Send the messages as a producer does that is exactly-once itself."""
    producer = AIOKafkaProducer(bootstrap_servers=stage.bootstrap, transactional_id=f"{stage.name}.upstream", linger_ms=20)
    await producer.start()
    records, each = tickets(MESSAGES, keys=500), MESSAGES // TRANSACTIONS
    try:
        for first in range(0, MESSAGES, each):
            async with producer.transaction():
                for record in records[first : first + each]:
                    await producer.send(stage.source, record.value, record.key)
    finally:
        await producer.stop()


@pytest.fixture(scope="module")
def scene(cluster, bootstrap, kafka, tmp_path_factory):
    folder = tmp_path_factory.mktemp("scaling")
    targets = folder / "targets.json"
    targets.write_text("[]")
    scraped = [{"job_name": "pods", "file_sd_configs": [{"files": [str(targets)]}]}]
    start_keda(cluster)
    with (
        Prometheus(folder / "prometheus", scraped) as prometheus,
        PodRunner(cluster.api, worker_image(), folder / "pods", targets) as runner,
    ):
        found = Scene(cluster, runner, prometheus, bootstrap, kafka)
        yield found
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps([asdict(row) for row in found.rows], indent=1))


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_lag_takes_workers_from_none_to_many_to_none(scene, tmp_path, record_property):
    """KEDA alone starts and stops them, every stop is graceful, and the checker finds one event a message.

    The messages come in transactions, whose markers hold no worker back.
    """
    row = await scene.run("by lag", "lag", tmp_path / "lag")
    record_property(SHOWN, asdict(row))
    assert row.most_pods == MOST


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_the_budget_holds_workers_at_what_the_quota_feeds(scene, tmp_path, record_property):
    """By the workers' own metrics, through Prometheus and the chart's rules."""
    row = await scene.run("by budget", "budget", tmp_path / "budget")
    record_property(SHOWN, asdict(row))
    assert row.budget is not None
    assert row.most_pods == math.ceil(row.budget / PER_POD) < MOST


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_without_prometheus_the_lag_decides(scene, tmp_path, record_property):
    """Killed while nothing runs: workers start by lag, as many as that asks for, and stop again."""
    scene.prometheus.kill()
    row = await scene.run("by budget, no Prometheus", "budget", tmp_path / "alone")
    record_property(SHOWN, asdict(row))
    assert row.most_pods == MOST


def test_two_scalers_of_one_deployment_are_refused(scene, cluster):
    """By KEDA's admission webhook, where every schema and the server are content: the two would pull at each other."""
    scaler = one(render({"scaling": {"mode": "lag"}}), "ScaledObject")
    scaler["metadata"] = {"name": "first", "namespace": "default"}
    cluster.apply([scaler])
    with pytest.raises(CommandFailed, match="already managed by the ScaledObject"):
        cluster.apply([scaler | {"metadata": {"name": "second", "namespace": "default"}}])
    cluster.kubectl("delete", "scaledobject", "first", "-n", "default")
