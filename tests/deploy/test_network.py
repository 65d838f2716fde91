"""Who may talk to whom under the chart's NetworkPolicy, decided by cyclonus, which evaluates the API's semantics without a cluster."""

import json
import re
import subprocess

import pytest
import yaml

from tests.deploy import tools
from tests.deploy.chart import one, rendered

WORKER = (
    "triage",
    {"app.kubernetes.io/name": "nanotriage", "app.kubernetes.io/instance": "nt", "app.kubernetes.io/component": "worker"},
)
PROMETHEUS = ("monitoring", {"app": "prometheus"})
STRANGER = ("default", {"app": "shop"})
NEIGHBOUR = ("triage", {"app": "other"})
BROKER = ("kafka", {"strimzi.io/cluster": "kafka"})
DNS = ("kube-system", {"k8s-app": "kube-dns"})
MODEL = "203.0.113.9"
METADATA = "169.254.169.254"

DECISIONS = [
    ("the broker is reached", WORKER, BROKER, 9093, "TCP", True),
    ("on its second listener too", WORKER, BROKER, 9095, "TCP", True),
    ("the broker's other ports are not", WORKER, BROKER, 9091, "TCP", False),
    ("nor a broker elsewhere", WORKER, STRANGER, 9093, "TCP", False),
    ("names are resolved", WORKER, DNS, 53, "UDP", True),
    ("by the cluster alone", WORKER, "203.0.113.53", 53, "UDP", False),
    ("the model is reached", WORKER, MODEL, 8000, "TCP", True),
    ("on its port only", WORKER, MODEL, 443, "TCP", False),
    ("the cloud's metadata are not", WORKER, METADATA, 8000, "TCP", False),
    ("nor by version 6", WORKER, "fd00:ec2::254", 8000, "TCP", False),
    ("Prometheus reads the metrics", PROMETHEUS, WORKER, 8080, "TCP", True),
    ("and nothing else", PROMETHEUS, WORKER, 22, "TCP", False),
    ("a stranger reads none", STRANGER, WORKER, 8080, "TCP", False),
    ("nor does a neighbour", NEIGHBOUR, WORKER, 8080, "TCP", False),
    ("nor does the world", MODEL, WORKER, 8080, "TCP", False),
    ("other pods are left alone", NEIGHBOUR, MODEL, 443, "TCP", True),
]


def peer(who):
    if isinstance(who, str):
        return {"IP": who}
    namespace, labels = who
    named = {"kubernetes.io/metadata.name": namespace}
    return {"Internal": {"PodLabels": labels, "NamespaceLabels": named, "Namespace": namespace}, "IP": "10.0.0.1"}


@pytest.fixture(scope="module")
def decided(tmp_path_factory):
    """What cyclonus decides of each row, in one run."""
    folder = tmp_path_factory.mktemp("network")
    policy = one(rendered("full-values"), "NetworkPolicy")
    policy["metadata"]["namespace"] = "triage"
    (folder / "policy.yaml").write_text(yaml.safe_dump(policy))
    traffic = [
        {"Source": peer(a), "Destination": peer(b), "ResolvedPort": port, "ResolvedPortName": "", "Protocol": protocol}
        for _, a, b, port, protocol, _ in DECISIONS
    ]
    (folder / "traffic.json").write_text(json.dumps(traffic))
    command = [
        tools.cyclonus(),
        "analyze",
        "--mode",
        "query-traffic",
        "--policy-path",
        "policy.yaml",
        "--traffic-path",
        "traffic.json",
    ]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    said = re.findall(r"IS ALLOWED\?\s*\|\s*(TRUE|FALSE)", done.stdout)
    assert len(said) == len(DECISIONS), done.stdout[:3000]
    return dict(zip([row[0] for row in DECISIONS], said, strict=True))


@pytest.mark.parametrize(("what", "allowed"), [(row[0], row[-1]) for row in DECISIONS], ids=[row[0] for row in DECISIONS])
def test_the_decision_is_as_meant(decided, what, allowed):
    """Ports, namespaces and addresses: brokers, model and DNS go out, Prometheus comes in."""
    assert decided[what] == str(allowed).upper()
