"""A pod as its node sees it: the process, what its probes say, and what a kubelet would report of it."""

import itertools
import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import psutil

from tests.cluster.api import Object
from tests.cluster.podspec import Launch
from tests.cluster.probing import Probe

# A network of loopback addresses for each test run, of which several may go on at a time on one machine; a pod each.
_network = f"127.{10 + os.getpid() % 200}.{os.getpid() // 200 % 256}"
_addresses = (f"{_network}.{number}" for number in itertools.cycle(range(1, 255)))


@dataclass(frozen=True, slots=True)
class Event:
    """What happened to a pod. `what`: start, ready, unready, sigterm, exit, crash, waiting.

    `at` is in seconds since the epoch; `after` since its SIGTERM; `code` is the process's, negative for a signal.
    """

    at: float
    what: str
    pod: str
    node: str
    code: int | None = None
    after: float | None = None
    why: str = ""


class Pod:
    """One pod on one of our nodes, from its start to its end."""

    def __init__(self, seen: Object, folder: Path) -> None:
        self.name, self.uid = seen["metadata"]["name"], seen["metadata"]["uid"]
        self.namespace, self.labels = seen["metadata"]["namespace"], seen["metadata"].get("labels", {})
        self.node = seen["spec"]["nodeName"]
        (self.container,) = seen["spec"]["containers"]
        self.ip = next(_addresses)
        self.folder = folder / self.name
        self.process: subprocess.Popen[bytes] | None = None
        self.launched: Launch | None = None
        self.restarts = 0
        self.start_at = 0.0
        self.terminated_at: float | None = None
        self.probes: dict[str, Probe] = {}
        self.asked: dict[str, Future[bool]] = {}
        self.ready = False
        self.waiting = ""
        self.told: Object | None = None
        self.began = self.changed = datetime.now(UTC).isoformat()

    @property
    def log(self) -> Path:
        return self.folder / "log"

    @property
    def path(self) -> str:
        return f"/api/v1/namespaces/{self.namespace}/pods/{self.name}"

    def status(self) -> Object:
        """Return what a kubelet would say of it."""
        started = "startupProbe" not in self.probes or self.probes["startupProbe"].passes
        running = self.process is not None
        state = (
            {"running": {"startedAt": self.began}} if running else {"waiting": {"reason": self.waiting or "ContainerCreating"}}
        )
        flags = (("PodScheduled", True), ("Initialized", True), ("ContainersReady", self.ready), ("Ready", self.ready))
        return {
            "phase": "Running" if running or self.restarts else "Pending",
            "podIP": self.ip,
            "podIPs": [{"ip": self.ip}],
            "hostIP": "127.0.0.1",
            "startTime": self.began,
            "conditions": [{"type": what, "status": str(yes), "lastTransitionTime": self.changed} for what, yes in flags],
            "containerStatuses": [
                {
                    "name": self.container["name"],
                    "image": self.container["image"],
                    "imageID": "local",
                    "ready": self.ready,
                    "started": started and running,
                    "restartCount": self.restarts,
                    "state": state,
                }
            ],
        }


def scraped(pod: Pod) -> Iterator[Object]:
    """Yield the pod's port with the labels that the Prometheus operator gives it."""
    for port in pod.container.get("ports", ()):
        if pod.process is not None and port["name"] == "health":
            labels = {
                "namespace": pod.namespace,
                "pod": pod.name,
                "job": f"{pod.namespace}/{pod.labels.get('app.kubernetes.io/name')}",
            }
            yield {"targets": [f"{pod.ip}:{port['containerPort']}"], "labels": labels}


def grown(pid: int, most: int | None) -> bool:
    try:
        return most is not None and psutil.Process(pid).memory_info().rss > most
    except psutil.Error:  # it has just ended
        return False


def well(ip: str, probe: Probe) -> bool:
    if probe.port is None:
        return False
    try:
        with urlopen(f"http://{ip}:{probe.port}{probe.path}", timeout=probe.timeout) as answer:
            return bool(answer.status < 400)
    except (URLError, OSError):
        return False
