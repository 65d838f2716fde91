"""What the chart makes is what a real API server takes, stores and runs."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.cluster import binaries
from tests.cluster.api import MERGE, Refused
from tests.cluster.control_plane import DEFINITIONS, CommandFailed
from tests.cluster.objects import RESTRICTED, conditions, deployment, pod_path, pods
from tests.deploy.chart import CASES, CHART, render, rendered
from tests.helpers import wait_until

VALUES = {
    **{case: {} for case in CASES},
    "defaults": {},
    "lag": {"scaling": {"mode": "lag"}},
    "budget": {"scaling": {"mode": "budget"}, "monitoring": {"podMonitor": True, "rules": True, "dashboard": True}},
    "no-policy": {"networkPolicy": {"enabled": False}},
}
RELEASE, NAME = "nt", "nt-nanotriage"
ZONES = ("a", "b", "c")


def objects_of(case):
    return list(rendered(case)) if case in CASES else render(VALUES[case])


def test_the_server_is_the_pinned_one(cluster):
    """And knows the kinds of KEDA, Strimzi and the Prometheus operator."""
    assert cluster.api.get("/version")["gitVersion"] == binaries.KUBERNETES
    kinds = {f"{found['spec']['group']}/{found['spec']['names']['kind']}" for found in cluster.api.items(DEFINITIONS)}
    assert kinds >= {"keda.sh/ScaledObject", "kafka.strimzi.io/KafkaTopic", "monitoring.coreos.com/PodMonitor"}


@pytest.mark.parametrize("case", VALUES)
def test_the_server_takes_every_manifest(cluster, namespaces, case):
    """Unknown fields refused, admission and Pod Security included, without a warning."""
    said = cluster.apply(objects_of(case), "--dry-run=server", namespace=namespaces)
    assert "Warning" not in said
    assert said.count("server dry run") == len(objects_of(case))


@pytest.fixture(scope="module", params=CASES)
def release(request, cluster, namespaces):
    """The chart, installed into a namespace of its own that enforces Pod Security; gone afterwards."""
    name = cluster.namespace(f"release-{request.param.removesuffix('-values')}", RESTRICTED)
    files = ["--values", CHART / "ci" / f"{request.param}.yaml"]
    cluster.helm("install", RELEASE, CHART, "-n", name, *files)
    yield request.param, name, files
    if cluster.helm("list", "-q", "-n", name).strip():
        cluster.helm("uninstall", RELEASE, "-n", name)


def test_its_pods_are_made(cluster, release):
    """Under the level `restricted` with enforcement, where a Deployment is taken whatever its pods look like."""
    case, namespace, _ = release
    wanted = {o["metadata"]["name"]: o["spec"].get("replicas", 1) for o in rendered(case) if o["kind"] == "Deployment"}
    wait_until(lambda: len(pods(cluster.api, namespace)) == sum(wanted.values()), 30)
    for name in wanted:
        assert "ReplicaFailure" not in conditions(deployment(cluster.api, namespace, name))


def test_scalers_are_stored_as_written(cluster, release):
    """KEDA's definition neither drops nor changes a word of a ScaledObject."""
    case, namespace, _ = release
    stored = cluster.api.items(f"/apis/keda.sh/v1alpha1/namespaces/{namespace}/scaledobjects")
    wanted = [o for o in render(case=case, namespace=namespace) if o["kind"] == "ScaledObject"]
    assert [found["spec"] for found in stored] == [found["spec"] for found in wanted]


def test_an_upgrade_leaves_the_number_of_workers_to_the_scaler(cluster, release):
    """Whatever KEDA made of it is kept. Where nothing scales, the values say it: who scaled by hand is told, not overruled."""
    case, namespace, files = release
    cluster.kubectl("scale", "deployment", NAME, "--replicas=5", "-n", namespace)
    upgrade = ["upgrade", RELEASE, CHART, "-n", namespace, *files, "--set-string", "worker.podAnnotations.changed=yes"]
    if any(o["kind"] == "ScaledObject" for o in rendered(case)):
        cluster.helm(*upgrade)
    else:
        with pytest.raises(CommandFailed, match=r"conflict with .* .spec.replicas"):
            cluster.helm(*upgrade)
        cluster.helm(*upgrade, "--force-conflicts", "--set", "worker.replicas=5")
    found = deployment(cluster.api, namespace, NAME)
    assert found["spec"]["template"]["metadata"]["annotations"]["changed"] == "yes"
    assert found["spec"]["replicas"] == 5


def test_nothing_is_left_of_it(cluster, release):
    """`helm uninstall` takes every object along, those in Strimzi's namespace too."""
    case, namespace, _ = release
    cluster.helm("uninstall", RELEASE, "-n", namespace)
    for found in rendered(case):
        group, _, version = found["apiVersion"].rpartition("/")
        kind = f"{found['kind']}.{version}.{group}" if group else found["kind"]
        stated = found["metadata"].get("namespace", namespace)
        with pytest.raises(CommandFailed, match="NotFound"):
            cluster.kubectl("get", kind, found["metadata"]["name"], "-n", namespace if stated == "triage" else stated)


def test_any_values_can_become_any_others(cluster, namespaces):
    """No upgrade touches a field that is fixed once and for all, such as a selector; and a rollback brings the first one back."""
    namespace = cluster.namespace("changed", RESTRICTED)
    for case in (*CASES, CASES[0]):
        cluster.helm("upgrade", "--install", RELEASE, CHART, "-n", namespace, "--values", CHART / "ci" / f"{case}.yaml")
    first = deployment(cluster.api, namespace, NAME)["spec"]["template"]
    cluster.helm("upgrade", RELEASE, CHART, "-n", namespace, "--values", CHART / "ci" / f"{CASES[1]}.yaml")
    assert deployment(cluster.api, namespace, NAME)["spec"]["template"] != first
    cluster.helm("rollback", RELEASE, "1", "-n", namespace)
    assert deployment(cluster.api, namespace, NAME)["spec"]["template"] == first
    cluster.helm("uninstall", RELEASE, "-n", namespace)


@pytest.mark.parametrize(("handed_over", "left"), [(False, 1), (True, 4)])
def test_scaling_that_is_switched_on_starts_from_one_worker(cluster, namespaces, handed_over, left):
    """The number goes away with its owner, unless somebody else owns it too: the way that the chart's README shows."""
    namespace = cluster.namespace(f"switched-{left}", RESTRICTED)
    chart = [RELEASE, CHART, "-n", namespace, "--set", "worker.replicas=4"]
    cluster.helm("install", *chart)
    if handed_over:
        owned = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": NAME}, "spec": {"replicas": 4}}
        cluster.apply([owned], "--server-side", "--field-manager=handover", namespace=namespace)
    cluster.helm("upgrade", *chart, "--set", "scaling.mode=lag")
    assert deployment(cluster.api, namespace, NAME)["spec"]["replicas"] == left
    cluster.helm("uninstall", RELEASE, "-n", namespace)


@pytest.fixture(scope="module")
def workers(cluster, namespaces):
    """Three workers, bound to nodes in three zones; their nodes' part is played here: they say that they are ready."""
    namespace = cluster.namespace("spread", RESTRICTED)
    for zone in ZONES:
        labels = {"topology.kubernetes.io/zone": zone, "kubernetes.io/hostname": f"spread-{zone}", "spread": "yes"}
        node = cluster.api.post("/api/v1/nodes", {"metadata": {"name": f"spread-{zone}", "labels": labels}})
        room = {"cpu": "4", "memory": "8Gi", "pods": "9"}
        path = f"/api/v1/nodes/{node['metadata']['name']}"
        cluster.api.patch(f"{path}/status", {"status": {"capacity": room, "allocatable": room}})
        cluster.api.patch(path, {"spec": {"taints": None}}, MERGE)
    chart = [RELEASE, CHART, "-n", namespace, "--set", "worker.replicas=3", "--set-string", "worker.nodeSelector.spread=yes"]
    cluster.helm("install", *chart)
    wait_until(lambda: len([pod for pod in pods(cluster.api, namespace) if pod["spec"].get("nodeName")]) == 3, 30)
    for pod in pods(cluster.api, namespace):
        say_ready(cluster, pod, True)
    yield namespace
    cluster.helm("uninstall", RELEASE, "-n", namespace)
    for pod in pods(cluster.api, namespace):
        cluster.api.delete(pod_path(pod), grace_seconds=0)
    for zone in ZONES:
        cluster.api.delete(f"/api/v1/nodes/spread-{zone}")


def say_ready(cluster, pod, ready):
    said = [{"type": kind, "status": str(ready)} for kind in ("Ready", "ContainersReady")]
    cluster.api.patch(f"{pod_path(pod)}/status", {"status": {"phase": "Running", "conditions": said}})


def test_workers_stand_in_different_zones(cluster, workers):
    """The scheduler reads the spread of the chart: no zone takes more than one worker with it."""
    assert sorted(pod["spec"]["nodeName"] for pod in pods(cluster.api, workers)) == [f"spread-{zone}" for zone in ZONES]


def evict(cluster, pod):
    """Return the server's answer to an eviction: the status and what it said."""
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod["metadata"]["name"]}}
    try:
        cluster.api.post(f"{pod_path(pod)}/eviction", body)
    except Refused as refused:
        return refused.code, str(refused)
    return 201, ""


def allowed(cluster, namespace):
    (budget,) = cluster.api.items(f"/apis/policy/v1/namespaces/{namespace}/poddisruptionbudgets")
    return budget.get("status", {}).get("disruptionsAllowed")


def test_one_worker_is_evicted_at_a_time(cluster, workers):
    """Of two simultaneous evictions the second is told to wait (429); a worker that is not ready holds no drain up."""
    wait_until(lambda: allowed(cluster, workers) == 1, 30)
    first, second, third = pods(cluster.api, workers)
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda pod: evict(cluster, pod), (first, second)))
    assert sorted(code for code, _ in answers) == [201, 429]
    assert "disruption budget" in next(said for code, said in answers if code == 429)
    say_ready(cluster, third, False)
    wait_until(lambda: allowed(cluster, workers) == 0, 30)
    assert evict(cluster, third)[0] == 201
