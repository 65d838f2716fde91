"""The real KEDA beside a control plane: operator, metrics adapter and admission webhook, under the rights that KEDA's own manifests give them.

The aggregation layer reaches the adapter through a Service of type ExternalName, since endpoints may not lie on loopback.
"""

import base64
import os
from pathlib import Path

import yaml

from tests.cluster import binaries
from tests.cluster.api import Object
from tests.cluster.control_plane import ControlPlane
from tests.deploy import tools
from tests.helpers import wait_until
from topics.embedded.ports import free_ports, is_free

NAMESPACE, ACCOUNT = "keda", "keda-operator"
METRICS = "keda-metrics-apiserver"
GROUP, VERSION = "external.metrics.k8s.io", "v1beta1"
RIGHTS = (
    "rbac/role",
    "rbac/role_binding",
    "rbac/aggregate_cluster_roles",
    "metrics-server/role",
    "metrics-server/role_binding",
)


def start_keda(cluster: ControlPlane) -> None:
    """Start KEDA among the cluster's processes, with which it ends; return once its metrics can be asked for. Raises ToolMissing."""
    programs = binaries.SCALER.found()
    config = tools.module(tools.KEDA) / "config"
    for name in ("general/namespace", "service_account/service_account", *RIGHTS):
        cluster.kubectl("apply", "--server-side", "-f", config / f"{name}.yaml")
    operator, probes, adapter, metrics, own_metrics, webhook, own_probes = free_ports(7, seed=os.getpid() + 29)
    cluster.apply(_aggregated(adapter, cluster.identities.authority))
    token = cluster.kubectl("-n", NAMESPACE, "create", "token", ACCOUNT, "--duration=4h").strip()
    kubeconfig = cluster.identities.kubeconfig_with_token(ACCOUNT, token)
    variables = {
        "HOME": str(cluster.folder),
        "KUBECONFIG": str(kubeconfig),
        "POD_NAMESPACE": NAMESPACE,
        "KEDA_CLUSTER_OBJECT_NAMESPACE": NAMESPACE,
        "WATCH_NAMESPACE": "",
        "KEDA_CHECK_UNEXPECTED_SCALERS_PARAMS": "enabled",  # a typo in a trigger becomes an event instead of nothing
    }
    certificates = _certificates(cluster)
    cluster.processes.start(
        "keda-operator",
        programs / "keda-operator",
        f"--metrics-bind-address=127.0.0.1:{metrics}",
        f"--health-probe-bind-address=127.0.0.1:{probes}",
        f"--metrics-service-bind-address=127.0.0.1:{operator}",
        f"--cert-dir={certificates}",
        variables=variables,
    )
    cluster.processes.start(
        "keda-adapter",
        programs / "keda-adapter",
        f"--secure-port={adapter}",
        "--bind-address=127.0.0.1",
        f"--port={own_metrics}",
        f"--client-ca-file={cluster.identities.authority}",
        f"--tls-cert-file={certificates / 'tls.crt'}",
        f"--tls-private-key-file={certificates / 'tls.key'}",
        f"--cert-dir={certificates}",
        f"--metrics-service-address=127.0.0.1:{operator}",
        f"--metrics-service-grpc-authority={ACCOUNT}.{NAMESPACE}.svc",
        *(f"--{what}-kubeconfig={kubeconfig}" for what in ("lister", "authentication", "authorization")),
        variables=variables,
    )
    cluster.processes.start(
        "keda-webhooks",
        programs / "keda-webhooks",
        f"--port={webhook}",
        f"--cert-dir={certificates}",
        "--metrics-bind-address=0",
        f"--health-probe-bind-address=127.0.0.1:{own_probes}",
        variables=variables,
    )
    wait_until(lambda: not is_free(webhook), 60)
    cluster.apply([_admission(webhook, cluster.identities.authority)])
    cluster.kubectl("wait", "--for=condition=Available", f"apiservice/{VERSION}.{GROUP}", "--timeout=90s")


def _certificates(cluster: ControlPlane) -> Path:
    """Return the folder of the certificate by which operator and adapter know each other, under the names that KEDA expects."""
    names = [f"{name}.{NAMESPACE}.svc" for name in (ACCOUNT, METRICS)]
    own = cluster.identities.certificate(ACCOUNT, "localhost", "127.0.0.1", *names)
    folder = cluster.folder / "keda-certificates"
    folder.mkdir()
    for name, file in (("tls.crt", own.cert), ("tls.key", own.key), ("ca.crt", cluster.identities.authority)):
        (folder / name).write_bytes(file.read_bytes())
    return folder


def _aggregated(port: int, authority: Path) -> list[Object]:
    service = {"type": "ExternalName", "externalName": "localhost", "ports": [{"port": port, "name": "https"}]}
    (stated,) = yaml.safe_load_all((tools.module(tools.KEDA) / "config/metrics-server/api_service.yaml").read_text())
    stated["spec"] |= {
        "service": {"name": METRICS, "namespace": NAMESPACE, "port": port},
        "caBundle": base64.b64encode(authority.read_bytes()).decode(),
    }
    named = {"name": METRICS, "namespace": NAMESPACE}
    return [{"apiVersion": "v1", "kind": "Service", "metadata": named, "spec": service}, stated]


def _admission(port: int, authority: Path) -> Object:
    """Return KEDA's own configuration of its webhook, at our address, and refusing while nobody answers there."""
    (stated,) = yaml.safe_load_all((tools.module(tools.KEDA) / "config/webhooks/validation_webhooks.yaml").read_text())
    for webhook in stated["webhooks"]:
        path = webhook["clientConfig"]["service"]["path"]
        own = base64.b64encode(authority.read_bytes()).decode()
        webhook |= {"clientConfig": {"url": f"https://127.0.0.1:{port}{path}", "caBundle": own}, "failurePolicy": "Fail"}
    return dict(stated)
