"""How the cluster's tests take a pod's object: probes by time, variables, files and addresses by the object alone."""

import base64
import sys
from pathlib import Path

import pytest

from tests.cluster.pod import Event
from tests.cluster.podspec import Unknown, decoded, launch, worker_image
from tests.cluster.probing import Probe
from tests.cluster.timeline import ungraceful

CONTAINER = {
    "name": "worker",
    "image": "nanotriage:1",
    "args": ["run", "--task=/etc/nanotriage/tasks/t.yaml"],
    "ports": [{"name": "health", "containerPort": 8080}],
    "resources": {"limits": {"memory": "512Mi"}},
    "startupProbe": {"httpGet": {"path": "/live", "port": "health"}, "periodSeconds": 2, "failureThreshold": 3},
    "livenessProbe": {"httpGet": {"path": "/live", "port": "health"}, "failureThreshold": 2},
    "readinessProbe": {"httpGet": {"path": "/ready", "port": "helth"}, "successThreshold": 2},
    "env": [
        {"name": "NANOTRIAGE_HEALTH__HOST", "value": "0.0.0.0"},
        {"name": "NANOTRIAGE_MODEL__API_KEY_FILE", "value": "/etc/nanotriage/secrets/key/api-key"},
        {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
        {"name": "CHOICE", "valueFrom": {"secretKeyRef": {"name": "choice", "key": "k"}}},
    ],
    "volumeMounts": [
        {"name": "tmp", "mountPath": "/tmp"},
        {"name": "tasks", "mountPath": "/etc/nanotriage/tasks"},
        {"name": "key", "mountPath": "/etc/nanotriage/secrets/key"},
    ],
}
VOLUMES = [
    {"name": "tmp", "emptyDir": {}},
    {"name": "tasks", "configMap": {"name": "tasks"}},
    {"name": "key", "secret": {"secretName": "key", "defaultMode": 0o440}},
]
POD = {
    "metadata": {"name": "p-1", "namespace": "triage"},
    "spec": {"nodeName": "n", "containers": [CONTAINER], "volumes": VOLUMES},
}
STORED = {
    ("configmaps", "tasks"): {"t.yaml": b"name: t"},
    ("secrets", "key"): {"api-key": b"secret"},
    ("secrets", "choice"): {"k": b"chosen"},
}


def lookup(kind, name):
    return STORED[kind, name]


def test_a_probe_changes_its_mind_after_enough_answers_in_a_row():
    """Readiness begins with no, liveness with yes; one answer between starts the count anew."""
    ready, live = Probe.read(CONTAINER, "readinessProbe", 0), Probe.read(CONTAINER, "livenessProbe", 0)
    assert (ready.passes, live.passes) == (False, True)
    for probe, answers, passes in (
        (ready, [True, False, True], False),
        (ready, [True], True),
        (live, [False, True, False], True),
    ):
        for well in answers:
            probe.answered(well)
        assert probe.passes is passes
    live.answered(False)
    assert (live.passes, live.failed) == (False, True)


def test_a_probe_is_due_at_its_period():
    """And at once at first."""
    probe = Probe.read(CONTAINER, "startupProbe", 10.0)
    assert probe.due(10.0)
    probe.sent(10.0)
    assert not probe.due(11.9)
    assert probe.due(12.0)


def test_a_port_that_nobody_named_is_no_port():
    """Its probe cannot pass, as on a node; a container without the probe has none."""
    assert Probe.read(CONTAINER, "readinessProbe", 0).port is None
    assert Probe.read(CONTAINER, "startupProbe", 0).port == 8080
    assert Probe.read({"name": "bare"}, "readinessProbe", 0) is None


def test_a_container_gets_what_its_object_says(tmp_path):
    """Files below the mounts, variables with their sources resolved, the pod's own address, the image's entry point and limits."""
    found = launch(POD, worker_image(), "127.1.2.3", tmp_path, lookup)
    program, *arguments = found.command
    assert Path(program) == Path(sys.executable).with_name("nanotriage")
    task = arguments[1].removeprefix("--task=")
    assert (arguments[0], Path(task).read_bytes()) == ("run", b"name: t")
    assert Path(found.variables["NANOTRIAGE_MODEL__API_KEY_FILE"]).read_bytes() == b"secret"
    assert Path(found.variables["NANOTRIAGE_MODEL__API_KEY_FILE"]).stat().st_mode & 0o777 == 0o440
    assert found.variables["NANOTRIAGE_HEALTH__HOST"] == "127.1.2.3"
    assert (found.variables["NODE"], found.variables["CHOICE"]) == ("n", "chosen")
    assert found.variables["PYTHONSAFEPATH"] == "1"
    assert Path(found.variables["TMPDIR"]).is_relative_to(tmp_path)
    assert found.most_bytes == 512 * 2**20


def test_what_is_not_known_here_is_no_guess(tmp_path):
    """A kind of volume or of variable that the tests do not have leaves the pod waiting."""
    for change in (
        {"volumes": [{"name": "tmp", "nfs": {}}, *VOLUMES[1:]]},
        {"containers": [CONTAINER | {"env": [{"name": "X", "valueFrom": {"resourceFieldRef": {}}}]}]},
    ):
        with pytest.raises(Unknown):
            launch(POD | {"spec": POD["spec"] | change}, worker_image(), "127.1.2.3", tmp_path, lookup)


def test_stored_objects_are_read_as_they_are_kept():
    """A Secret's values are base64, a ConfigMap's are text."""
    assert decoded("secrets", {"data": {"a": base64.b64encode(b"x").decode()}}) == {"a": b"x"}
    assert decoded("configmaps", {"data": {"a": "x"}}) == {"a": b"x"}
    assert decoded("configmaps", {}) == {}


@pytest.mark.parametrize(
    ("was_ready", "code", "after", "fine"),
    [(True, 0, 2.0, True), (True, -15, 2.0, False), (False, -15, 0.3, True), (False, 1, 0.3, False), (True, 0, 31.0, False)],
)
def test_only_who_was_never_ready_may_end_by_the_signal(was_ready, code, after, fine):
    """A worker that has begun finishes what it holds."""
    ready = [Event(1.0, "ready", "p", "n")] if was_ready else []
    ended = Event(2.0, "exit", "p", "n", code=code, after=after)
    assert ungraceful([*ready, ended]) == ([] if fine else [ended])
