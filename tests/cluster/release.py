"""The chart, installed in a cluster for the stage of a run, and what its Deployment has become."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import yaml

from tests.broker.stage import Stage
from tests.cluster.api import Object, Refused
from tests.cluster.control_plane import ControlPlane
from tests.cluster.objects import RESTRICTED
from tests.deploy.chart import CHART

NAMESPACE, NAME = "workers", "nt-nanotriage"
KEY = "a-key-that-the-model-wants"
_SECRET = "model-key"


def values(stage: Stage, model_url: str, **more: Object) -> Object:
    """Return the chart's values for a worker on this stage, with `more` over them section by section."""
    stated: Object = {
        "tasks": {"shipped": [], "files": {"tickets.yaml": stage.task_file.read_text(encoding="utf-8")}},
        "settings": {
            "kafka": {"brokers": stage.bootstrap, "group": stage.group, "session_timeout_seconds": 6},
            "model": {"base_url": model_url, "name": "fake", "timeout_seconds": 10, "concurrency": 2},
            "batching": {"max_items": 8, "linger_seconds": 0.05},
        },
        "secrets": {"modelKey": {"name": _SECRET}},
    }
    for section, inner in more.items():
        stated[section] = _over(stated.get(section, {}), inner)
    return stated


def _over(below: Object, above: Object) -> Object:
    merged = dict(below)
    for key, value in above.items():
        merged[key] = _over(merged[key], value) if isinstance(value, dict) and isinstance(merged.get(key), dict) else value
    return merged


@dataclass(frozen=True, slots=True)
class Release:
    """A release `nt` in the namespace `workers`, which is under Pod Security's `restricted`."""

    cluster: ControlPlane

    def prepare(self) -> None:
        """Make the namespace and the Secret with the model's key, unless they are there."""
        try:
            self.cluster.namespace(NAMESPACE, RESTRICTED)
        except Refused as refused:
            if refused.code == 409:
                return
            raise
        secret = {"metadata": {"name": _SECRET}, "stringData": {"api-key": KEY}}
        self.cluster.api.post(f"/api/v1/namespaces/{NAMESPACE}/secrets", secret)

    def upgrade(self, stated: Object) -> None:
        """Install or upgrade. Raises CommandFailed."""
        self.cluster.helm(
            "upgrade", "--install", "nt", CHART, "--namespace", NAMESPACE, "--values", "-", given=yaml.safe_dump(stated)
        )

    async def remove(self, seconds: float = 60.0) -> None:
        """Uninstall, and wait until its last pod has gone."""
        await asyncio.to_thread(self.cluster.helm, "uninstall", "nt", "--namespace", NAMESPACE, "--wait")
        await self.until(lambda: not self.pods(), "every pod gone", seconds)

    def pods(self) -> list[Object]:
        return self.cluster.api.items(f"/api/v1/namespaces/{NAMESPACE}/pods")

    def staying(self) -> list[str]:
        """Return the names of pods that nobody has asked to go."""
        return [pod["metadata"]["name"] for pod in self._staying()]

    def _staying(self) -> list[Object]:
        return [pod for pod in self.pods() if "deletionTimestamp" not in pod["metadata"]]

    def deployment(self) -> Object:
        return self.cluster.api.get(f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/{NAME}")

    def wanted(self) -> int:
        """Return how many workers the Deployment is asked for."""
        found: int = self.deployment()["spec"]["replicas"]
        return found

    def ready(self) -> int:
        """Return how many pods are ready and stay; the Deployment's own count is behind for a moment after an eviction."""
        conditions = [each for pod in self._staying() for each in pod["status"].get("conditions", ())]
        return sum(each["type"] == "Ready" and each["status"] == "True" for each in conditions)

    def disruptions_allowed(self) -> int:
        """Return how many workers may be evicted now."""
        found: int = self.cluster.api.get(f"/apis/policy/v1/namespaces/{NAMESPACE}/poddisruptionbudgets/{NAME}")["status"][
            "disruptionsAllowed"
        ]
        return found

    async def until_ready(self, count: int, seconds: float = 90.0) -> None:
        await self.until(lambda: self.ready() == count == len(self.staying()), f"{count} pods ready", seconds)

    async def until(self, met: Callable[[], Any], what: str, seconds: float) -> None:
        """Wait for a condition that asks the server; the event loop goes on meanwhile. Raises AssertionError."""
        deadline = time.monotonic() + seconds
        while not await asyncio.to_thread(met):
            self.cluster.processes.check()
            assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}\n{self.told()}"
            await asyncio.sleep(0.3)

    def told(self) -> str:
        """Return what the cluster says of the release, for a failing test."""
        asked = ("deployment,replicaset,pod", "scaledobject,hpa,pdb")
        return "\n".join(self.cluster.kubectl("get", kinds, "--namespace", NAMESPACE, "-o", "wide") for kinds in asked)
