"""Broken manifests that a real API server finds: some that nobody else does, and none less than the schemas."""

import copy

import pytest

from tests.cluster.control_plane import CommandFailed
from tests.cluster.objects import RESTRICTED, conditions, deployment, pods
from tests.deploy.chart import one, rendered
from tests.deploy.layers import LAYERS
from tests.deploy.test_broken import BROKEN, pod, put, worker
from tests.helpers import wait_until


def policy(objects):
    return one(objects, "NetworkPolicy")["spec"]


ONLY_THE_SERVER = [
    ("a size that is no quantity", lambda o: put(pod(o)["volumes"][0]["emptyDir"], sizeLimit="64MiB")),
    ("two volumes of one name", lambda o: pod(o)["volumes"].append({"name": "tmp", "emptyDir": {}})),
    ("two mounts in one place", lambda o: worker(o)["volumeMounts"].append({"name": "tmp", "mountPath": "/tmp"})),
    ("a container's name in capitals", lambda o: put(worker(o), name="Worker")),
    ("a port above the last one", lambda o: put(worker(o)["ports"][0], containerPort=70_000)),
    ("a probe in two ways", lambda o: put(worker(o)["livenessProbe"], tcpSocket={"port": "health"})),
    ("a probe that never gives up", lambda o: put(worker(o)["livenessProbe"], successThreshold=3)),
    (
        "a rollout that may neither add nor take",
        lambda o: put(one(o, "Deployment")["spec"]["strategy"]["rollingUpdate"], maxSurge=0, maxUnavailable=0),
    ),
    (
        "a spread over the same nodes twice",
        lambda o: pod(o)["topologySpreadConstraints"].append(copy.deepcopy(pod(o)["topologySpreadConstraints"][0])),
    ),
    ("a toleration of every value but one", lambda o: put(pod(o)["tolerations"][0], value="yes")),
    (
        "a label with a space",
        lambda o: put(one(o, "Deployment")["spec"]["template"]["metadata"]["labels"], team="the desk"),
    ),
    ("rights of a file that are none", lambda o: put(secret_volume(o), defaultMode=0o10000)),
    ("a file name with a slash", lambda o: put(one(o, "ConfigMap", "tasks")["data"], **{"a/b.yaml": ""})),
    (
        "an exception outside its network",
        lambda o: put(policy(o)["egress"][2]["to"][0]["ipBlock"], cidr="10.0.0.0/8"),
    ),
    ("a policy's port of no protocol", lambda o: put(policy(o)["egress"][2]["ports"][0], protocol="HTTP")),
    ("an object's name in capitals", lambda o: put(one(o, "KafkaTopic", "support.dead")["metadata"], name="Support.Dead")),
]


def secret_volume(objects):
    return next(volume["secret"] for volume in pod(objects)["volumes"] if "secret" in volume)


def refusal(cluster, namespace, damage):
    """Return what the server says to the objects that the damage changed, and those; nothing is stored."""
    sound = list(rendered("full-values"))
    objects = copy.deepcopy(sound)
    damage(objects)
    changed = [found for found in objects if found not in sound]
    try:
        cluster.apply(changed, "--dry-run=server", namespace=namespace)
    except CommandFailed as refused:
        return str(refused), objects
    return "", objects


@pytest.mark.parametrize("damage", [row[1] for row in ONLY_THE_SERVER], ids=[row[0] for row in ONLY_THE_SERVER])
def test_only_the_server_finds_it(cluster, namespaces, damage):
    """Every layer before it is content, and the server refuses."""
    said, objects = refusal(cluster, namespaces, damage)
    assert {name: list(layer(objects)) for name, layer in LAYERS.items()} == {name: [] for name in LAYERS}
    assert said


BY_SCHEMA = [row for row in BROKEN if row[1] in {"kubernetes", "custom"}]


@pytest.mark.parametrize("damage", [row[2] for row in BY_SCHEMA], ids=[row[0] for row in BY_SCHEMA])
def test_what_a_schema_refuses_the_server_refuses(cluster, namespaces, damage):
    """So the schemas of the fast layers are not stricter than a cluster."""
    said, _ = refusal(cluster, namespaces, damage)
    assert said


# The rest of that layer is stricter than Kubernetes: a writable root, and a token.
BY_ADMISSION = [row for row in BROKEN if row[0] in {"root", "a capability", "a folder of the node", "no seccomp profile"}]


@pytest.mark.parametrize(("name", "damage"), [(row[0], row[2]) for row in BY_ADMISSION], ids=[row[0] for row in BY_ADMISSION])
def test_no_pod_is_made_of_it(cluster, namespaces, name, damage):
    """A Deployment that breaks `restricted` is taken with a warning alone; then its pods are refused, and it says so."""
    objects = copy.deepcopy(list(rendered("full-values")))
    damage(objects)
    broken = one(objects, "Deployment")
    namespace = cluster.namespace(f"admission-{name.replace(' ', '-')}", RESTRICTED)
    assert "would violate PodSecurity" in cluster.apply([one(objects, "ServiceAccount"), broken], namespace=namespace)

    def failure():
        return conditions(deployment(cluster.api, namespace, broken["metadata"]["name"])).get("ReplicaFailure")

    wait_until(failure, 30)
    assert failure()["reason"] == "FailedCreate"
    assert "violates PodSecurity" in failure()["message"]
    assert pods(cluster.api, namespace) == []
