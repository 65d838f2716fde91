"""Pods of the chart on a real control plane, each a process of the real worker: what moves them about loses and doubles nothing."""

import asyncio

import pytest

from tests.broker.stage import set_stage
from tests.chaos.traffic import Load
from tests.cluster.api import Refused
from tests.cluster.podrunner import PodRunner
from tests.cluster.podspec import worker_image
from tests.cluster.release import KEY, NAMESPACE, Release, values
from tests.cluster.timeline import fewest_ready, ungraceful
from tests.fakes.model_process import FakeModel

WORKERS = 3
RATE = 100
SETTLED = {"worker": {"replicas": WORKERS}}


@pytest.fixture
def runner(cluster, tmp_path):
    with PodRunner(cluster.api, worker_image(), tmp_path / "pods") as running:
        yield running


@pytest.fixture
def release(cluster, runner):
    found = Release(cluster)
    found.prepare()
    return found


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_evictions_drains_and_rollouts_under_load(bootstrap, kafka, release, runner, tmp_path):
    """Of three workers each is evicted, then a node is drained, one dies, and a new version rolled out: one event a message.

    Every stop is graceful, an eviction takes one worker at a time, and a rollout none that is not replaced.
    """
    stage = await set_stage(bootstrap, tmp_path, partitions=12)
    with FakeModel("--latency-ms", "60", "--jitter-ms", "60", "--codes", "hash", "--key", KEY) as model:
        release.upgrade(values(stage, model.base_url, **SETTLED))
        await release.until_ready(WORKERS)
        load = Load(stage, RATE, 1_000_000)
        sending = asyncio.create_task(load.run())
        phases = {
            "evict": lambda: evict_all(release),
            "drain": lambda: drain(release),
            "crash": lambda: crash(release, runner),
            "rollout": lambda: roll_out(
                release, values(stage, model.base_url, **SETTLED, settings={"batching": {"max_items": 4}})
            ),
        }
        fewest = {}
        for name, phase in phases.items():
            begun = len(runner.events)
            await phase()
            await release.until_ready(WORKERS)
            fewest[name] = fewest_ready(runner.events, begun)
        load.messages = load.sent
        await sending
        await stage.until_progress(load.sent, 90)
        await release.remove()
    verdict = await stage.judge(evidence=stage.evidence([node.folder / "data" for node in kafka.nodes]))
    exits = runner.of("exit")
    print(f"\n{len(exits)} exits, longest {max(e.after or 0 for e in exits):.1f} s; fewest ready: {fewest}; {verdict}")
    assert verdict.kept, str(verdict)
    assert verdict.events == load.sent
    assert load.refused == []
    assert ungraceful(runner.events) == []
    assert len(exits) >= WORKERS * 3 + 1, "three evicted, one drained, three replaced by the rollout, three removed"
    assert fewest["evict"] >= WORKERS - 1
    assert fewest["drain"] >= WORKERS - 1
    assert fewest["rollout"] >= WORKERS


async def evict_all(release):
    """Evict all workers as a drain does, again and again where refused. At first all are asked for at once: one may go."""
    names = release.staying()
    await release.until(lambda: release.disruptions_allowed() == 1, "the disruption budget knows the pods", 30)
    answers = await asyncio.gather(*(asyncio.to_thread(evict, release, name) for name in names))
    assert sorted(answers) == [201, 429, 429], "the disruption budget lets one worker go"
    for name in names:
        await release.until(
            lambda name=name: name not in release.staying() or evict(release, name) == 201, f"{name} evicted", 90
        )
        await release.until_ready(WORKERS)


def evict(release, name):
    """Return the status of the server's answer."""
    path = f"/api/v1/namespaces/{NAMESPACE}/pods/{name}/eviction"
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": NAMESPACE}}
    try:
        release.cluster.api.post(path, body)
    except Refused as refused:
        return refused.code
    return 201


async def drain(release):
    """Empty the node of one worker; it may be used again afterwards."""
    staying = [pod for pod in release.pods() if "deletionTimestamp" not in pod["metadata"]]
    node, kubectl = staying[0]["spec"]["nodeName"], release.cluster.kubectl
    told = await asyncio.to_thread(kubectl, "drain", node, "--delete-emptydir-data", "--ignore-daemonsets", "--timeout=90s")
    assert staying[0]["metadata"]["name"] not in release.staying(), told
    assert all(pod["spec"]["nodeName"] != node for pod in release.pods() if "deletionTimestamp" not in pod["metadata"])
    kubectl("uncordon", node)


async def crash(release, runner):
    """Kill a worker's process: its pod starts it again."""
    victim = next(pod for pod in runner.pods.values() if pod.ready)
    victim.process.kill()
    await release.until(lambda: victim.restarts == 1 and victim.ready, "the container started again", 90)


async def roll_out(release, stated):
    """Install a new version and wait until every worker is of it."""
    before = set(release.staying())
    release.upgrade(stated)
    await release.until(lambda: release.ready() == WORKERS and not before & set(release.staying()), "the rollout", 150)
