"""A real Kubernetes on this machine, without nodes: etcd, API server, controller manager and scheduler, as plain processes.

Everything lies in one folder and listens on 127.0.0.1. There is no kubelet: a pod is made and bound to a node, and then somebody
must play its node. The definitions of KEDA, Strimzi and the Prometheus operator are installed as their projects ship them.
"""

import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import yaml

from tests.cluster import binaries
from tests.cluster.api import Api, Object
from tests.cluster.identities import ADMINISTRATORS, Identities
from tests.cluster.objects import conditions
from tests.cluster.processes import Processes
from tests.deploy import tools
from tests.helpers import wait_until
from topics.embedded.ports import free_ports

START_SECONDS = 60.0
SERVICE_ADDRESSES = "10.96.0.0/16"
FRONT = "front-proxy-client"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def _established(definition: Object) -> bool:
    return bool(conditions(definition).get("Established", {}).get("status") == "True")


class CommandFailed(Exception):
    """kubectl or Helm said no; the message is what it printed."""


class ControlPlane:
    """A cluster that is up inside the `with` block: `api`, `kubectl` and `helm` speak to it as an administrator."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._etcd, self._etcd_peer, self.port = free_ports(3, seed=os.getpid() + 11)
        self.server = f"https://127.0.0.1:{self.port}"
        self.identities = Identities(folder, self.server)
        self.kubeconfig = self.identities.kubeconfig("administrator", ADMINISTRATORS)
        own = self.identities.certificate("administrator", group=ADMINISTRATORS)
        self.api = Api(f"127.0.0.1:{self.port}", self.identities, own)
        self.processes = Processes(folder)

    def __enter__(self) -> Self:
        """Start everything. Raises ToolMissing where the programs were not built, and ProgramEnded."""
        try:
            self._start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self.api.close()
        self.processes.close()

    def _start(self) -> None:
        programs = binaries.CLUSTER.found()
        self._start_etcd()
        issuer = self.identities.certificate("service-accounts").key
        self.processes.start("kube-apiserver", programs / "kube-apiserver", *self._server_flags(issuer))
        self._until(self.api.ready)
        for name, more in (("kube-controller-manager", self._manager_flags(issuer)), ("kube-scheduler", [])):
            self.processes.start(name, programs / name, *self._client_flags(name), *more)
        files = [part for path in tools.definition_files() for part in ("-f", path)]
        self.kubectl("apply", "--server-side", *files)
        self._until(lambda: all(_established(found) for found in self.api.items(DEFINITIONS)))
        # The controllers are at work when they have made the first namespace's account.
        self._until(lambda: self.api.items("/api/v1/namespaces/default/serviceaccounts"))

    def _start_etcd(self) -> None:
        client, peer = f"http://127.0.0.1:{self._etcd}", f"http://127.0.0.1:{self._etcd_peer}"
        self.processes.start(
            "etcd",
            binaries.etcd(),
            f"--data-dir={self.folder / 'etcd'}",
            "--unsafe-no-fsync",
            "--log-level=warn",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
        )

    def _server_flags(self, issuer: Path) -> list[str]:
        names = ("localhost", "127.0.0.1", "10.96.0.1", "kubernetes", "kubernetes.default", "kubernetes.default.svc")
        own = self.identities.certificate("kube-apiserver", *names)
        front = self.identities.certificate(FRONT, front=True)
        return [
            f"--etcd-servers=http://127.0.0.1:{self._etcd}",
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            f"--secure-port={self.port}",
            "--endpoint-reconciler-type=none",
            f"--tls-cert-file={own.cert}",
            f"--tls-private-key-file={own.key}",
            f"--client-ca-file={self.identities.authority}",
            "--authorization-mode=Node,RBAC",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={issuer}",
            f"--service-account-signing-key-file={issuer}",
            f"--service-cluster-ip-range={SERVICE_ADDRESSES}",
            # How it calls extension servers, such as KEDA's metrics: with the user in headers, and a certificate of its own.
            f"--requestheader-client-ca-file={self.identities.front_authority}",
            f"--requestheader-allowed-names={FRONT}",
            "--requestheader-username-headers=X-Remote-User",
            "--requestheader-group-headers=X-Remote-Group",
            "--requestheader-extra-headers-prefix=X-Remote-Extra-",
            f"--proxy-client-cert-file={front.cert}",
            f"--proxy-client-key-file={front.key}",
        ]

    def _client_flags(self, name: str) -> list[str]:
        own = self.identities.kubeconfig(f"system:{name}")
        flags = [f"--{what}kubeconfig={own}" for what in ("", "authentication-", "authorization-")]
        return [*flags, "--secure-port=0", "--leader-elect=false"]

    def _manager_flags(self, issuer: Path) -> list[str]:
        return [
            f"--service-account-private-key-file={issuer}",
            f"--root-ca-file={self.identities.authority}",
            "--use-service-account-credentials=true",
            f"--requestheader-client-ca-file={self.identities.front_authority}",
            # Nobody renews the nodes' leases, and a scaler is to be watched in minutes, not in hours.
            "--controllers=*,-node-lifecycle-controller",
            "--horizontal-pod-autoscaler-sync-period=5s",
            "--horizontal-pod-autoscaler-downscale-stabilization=30s",
        ]

    def _until(self, condition: Callable[[], object]) -> None:
        """Wait for the condition, or for the end of a program, which can't be waited for any longer. Raises ProgramEnded."""

        def met() -> bool:
            self.processes.check()
            return bool(condition())

        wait_until(met, START_SECONDS)

    def kubectl(self, *arguments: str | Path, given: str | None = None) -> str:
        """Run kubectl as an administrator, with `given` on its stdin; return all that it printed. Raises CommandFailed."""
        return self._command(tools.helm().with_name("kubectl"), *arguments, given=given)

    def helm(self, *arguments: str | Path, given: str | None = None) -> str:
        """Run Helm as an administrator. Raises CommandFailed."""
        return self._command(tools.helm(), *arguments, given=given)

    def _command(self, program: Path, *arguments: str | Path, given: str | None) -> str:
        caches = {name: str(self.folder / "clients") for name in ("KUBECACHEDIR", "HELM_CACHE_HOME", "HELM_CONFIG_HOME")}
        done = subprocess.run(
            [str(program), *(str(argument) for argument in arguments)],
            input=given,
            stdin=subprocess.DEVNULL if given is None else None,
            env={"PATH": os.environ["PATH"], "HOME": str(self.folder), "KUBECONFIG": str(self.kubeconfig), **caches},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        if done.returncode:
            raise CommandFailed(done.stdout.strip())
        return done.stdout

    def apply(self, objects: Sequence[Object], *flags: str, namespace: str = "default") -> str:
        """Apply the objects, any unknown field refused, into the namespace unless they state one; return what kubectl said,
        warnings included. Raises CommandFailed."""
        placed = [found | {"metadata": {"namespace": namespace} | found["metadata"]} for found in objects]
        return self.kubectl("apply", "--validate=strict", *flags, "-f", "-", given=yaml.safe_dump_all(placed))

    def namespace(self, name: str, labels: Mapping[str, str] | None = None) -> str:
        """Make a namespace, and return its name."""
        self.api.post("/api/v1/namespaces", {"metadata": {"name": name, "labels": dict(labels or {})}})
        return name
