"""A kubelet's part for tests: nodes in three zones, and each pod bound to one of them a process of the real worker.

Image, variables, files, ports, probes and the grace period are those of the pod's object; a deleted pod gets SIGTERM, and SIGKILL after
its grace; what ends by itself or passes its memory limit starts again, later each time. No container: no read-only root, no user of its own,
no network policy. Everything that happens is kept in `events`, and as JSON lines beside the logs.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import orjson

from tests.cluster.api import MERGE, Api, Object, Refused
from tests.cluster.pod import Event, Pod, grown, scraped, well
from tests.cluster.podspec import Image, Unknown, decoded, launch
from tests.cluster.probing import Probe
from topics.embedded.runtime import Guard

ZONES = ("a", "b", "c")
NODES = {f"node-{zone}{number}": f"zone-{zone}" for zone in ZONES for number in (1, 2)}
CAPACITY = {"cpu": "4", "memory": "8Gi", "pods": "110", "ephemeral-storage": "50Gi"}
_ROUND_SECONDS = 0.3
_HEARTBEAT_SECONDS = 10.0
_LONGEST_BACK_OFF = 20.0


class PodRunner(threading.Thread):
    """Runs the pods of our nodes until it is closed. `targets`, if given, is kept as Prometheus' file_sd has it."""

    def __init__(self, api: Api, image: Image, folder: Path, targets: Path | None = None) -> None:
        super().__init__(name="podrunner", daemon=True)
        self.events: list[Event] = []
        self.pods: dict[str, Pod] = {}
        self.faults: list[str] = []
        self._api, self._image, self._folder, self._targets = api, image, folder, targets
        self._ended = threading.Event()
        self._asking = ThreadPoolExecutor(8, thread_name_prefix="probe")
        self._beat_at = 0.0
        lifeline, self._held = os.pipe()
        self._guard = Guard(sys.executable, lifeline)
        self._journal = folder / "events.jsonl"
        folder.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> Self:
        for node, zone in NODES.items():
            self._register(node, zone)
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self.join(30)
        self._asking.shutdown(cancel_futures=True)
        left = [pod.process for pod in self.pods.values() if pod.process is not None and pod.process.poll() is None]
        for process in left:
            process.terminate()
        deadline = time.monotonic() + 10
        for process in left:
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        os.close(self._held)
        os.close(self._guard.lifeline)
        for node in NODES:  # so that nothing is bound to a node without a kubelet
            self._api.delete(f"/api/v1/nodes/{node}")

    def run(self) -> None:
        while not self._ended.wait(_ROUND_SECONDS):
            try:
                self._round(time.monotonic())
            except (Refused, OSError) as fault:  # a server that is busy or restarted is asked again
                self.faults.append(repr(fault)[:300])

    def of(self, what: str, since: float = 0.0) -> list[Event]:
        """Return the events of a kind, in order."""
        return [event for event in list(self.events) if event.what == what and event.at >= since]

    def _register(self, node: str, zone: str) -> None:
        labels = {"kubernetes.io/hostname": node, "topology.kubernetes.io/zone": zone, "kubernetes.io/os": "linux"}
        body = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": node, "labels": labels}}
        try:
            self._api.post("/api/v1/nodes", body)
        except Refused as refused:
            if refused.code != 409:
                raise
        self._heartbeat(node)
        self._api.patch(f"/api/v1/nodes/{node}", {"spec": {"taints": None}}, MERGE)

    def _heartbeat(self, node: str) -> None:
        now = datetime.now(UTC).isoformat()
        ready = {"type": "Ready", "status": "True", "reason": "PodRunner", "lastHeartbeatTime": now, "lastTransitionTime": now}
        status = {"capacity": CAPACITY, "allocatable": CAPACITY, "conditions": [ready]}
        self._api.patch(f"/api/v1/nodes/{node}/status", {"status": status})

    def _round(self, now: float) -> None:
        if now >= self._beat_at:
            for node in NODES:
                self._heartbeat(node)
            self._beat_at = now + _HEARTBEAT_SECONDS
        seen = {pod["metadata"]["uid"]: pod for pod in self._api.items("/api/v1/pods") if pod["spec"].get("nodeName") in NODES}
        for uid in self.pods.keys() - seen.keys():  # deleted without grace
            self._end(self.pods.pop(uid))
        for uid, found in seen.items():
            if uid not in self.pods:
                self.pods[uid] = Pod(found, self._folder)
            pod = self.pods[uid]
            leaving = "deletionTimestamp" in found["metadata"]
            if leaving:
                self._leave(pod, now, found["metadata"].get("deletionGracePeriodSeconds", 30))
            else:
                self._keep(pod, found, now)
        self._write_targets()

    def _keep(self, pod: Pod, found: Object, now: float) -> None:
        """Let a wanted pod run: start it, ask its probes, start it again."""
        if pod.process is None:
            if now >= pod.start_at:
                self._start(pod, found, now)
        elif (code := pod.process.poll()) is not None:
            self._again(pod, now, code)
        elif pod.launched is not None and grown(pod.process.pid, pod.launched.most_bytes):
            self._say(pod, "unready", why="OOMKilled")
            pod.process.kill()
        else:
            self._probe(pod, now)
        self._tell(pod)

    def _start(self, pod: Pod, found: Object, now: float) -> None:
        try:
            pod.launched = launch(found, self._image, pod.ip, pod.folder, lambda kind, name: self._stored(pod, kind, name))
        except Unknown as unknown:
            if pod.waiting != str(unknown):
                self._say(pod, "waiting", why=str(unknown))
            pod.waiting, pod.start_at = str(unknown), now + 1.0
            return
        with pod.log.open("ab") as log:
            pod.process = subprocess.Popen(
                [*self._guard.command, *pod.launched.command],
                stdin=self._guard.lifeline,
                stdout=log,
                stderr=log,
                cwd=pod.launched.folder,
                env=dict(pod.launched.variables),
                start_new_session=True,
            )
        read = {which: Probe.read(pod.container, which, now) for which in ("startupProbe", "livenessProbe", "readinessProbe")}
        pod.probes = {which: probe for which, probe in read.items() if probe is not None}
        pod.asked = {}
        pod.waiting = ""
        self._say(pod, "start")

    def _stored(self, pod: Pod, kind: str, name: str) -> dict[str, bytes]:
        try:
            return decoded(kind, self._api.get(f"/api/v1/namespaces/{pod.namespace}/{kind}/{name}"))
        except Refused as refused:
            if refused.code == 404:
                raise Unknown(f"there is no {name} among the {kind}") from None
            raise

    def _again(self, pod: Pod, now: float, code: int) -> None:
        self._say(pod, "crash", code=code)
        pod.process = None
        pod.start_at = now + min(_LONGEST_BACK_OFF, 2.0**pod.restarts)
        pod.restarts += 1
        pod.waiting = "CrashLoopBackOff"
        self._turn(pod, ready=False)

    def _probe(self, pod: Pod, now: float) -> None:
        for which, future in list(pod.asked.items()):
            if future.done():
                pod.probes[which].answered(future.result())
                del pod.asked[which]
        starting = pod.probes.get("startupProbe")
        waits = starting is not None and not starting.passes
        for which in ["startupProbe"] if waits else ["livenessProbe", "readinessProbe"]:
            probe = pod.probes.get(which)
            if probe is None:
                continue
            if probe.failed and which != "readinessProbe" and pod.process is not None:
                self._say(pod, "unready", why=f"{which} failed")
                pod.process.kill()
                return
            if probe.due(now) and which not in pod.asked:
                probe.sent(now)
                pod.asked[which] = self._asking.submit(well, pod.ip, probe)
        readiness = pod.probes.get("readinessProbe")
        self._turn(pod, ready=not waits and (readiness is None or readiness.passes))

    def _turn(self, pod: Pod, *, ready: bool) -> None:
        if ready != pod.ready:
            pod.ready, pod.changed = ready, datetime.now(UTC).isoformat()
            self._say(pod, "ready" if ready else "unready")

    def _leave(self, pod: Pod, now: float, grace: float) -> None:
        if pod.process is None:
            self._gone(pod)
            return
        if pod.terminated_at is None:
            pod.terminated_at = now
            self._turn(pod, ready=False)
            self._say(pod, "sigterm")
            pod.process.send_signal(signal.SIGTERM)
            self._tell(pod)
        elif (code := pod.process.poll()) is not None:
            self._say(pod, "exit", code=code, after=round(now - pod.terminated_at, 2))
            pod.process = None
            self._gone(pod)
        elif now - pod.terminated_at > grace:
            pod.process.kill()

    def _gone(self, pod: Pod) -> None:
        try:
            self._api.delete(pod.path, grace_seconds=0)
        except Refused as refused:
            if refused.code != 404:
                raise
        self.pods.pop(pod.uid, None)

    def _end(self, pod: Pod) -> None:
        if pod.process is not None and pod.process.poll() is None:
            pod.process.kill()
            pod.process.wait()
            self._say(pod, "exit", code=-signal.SIGKILL, why="deleted without grace")

    def _tell(self, pod: Pod) -> None:
        status = pod.status()
        if status != pod.told:
            try:
                self._api.patch(f"{pod.path}/status", {"status": status})
            except Refused as refused:
                if refused.code != 404:
                    raise
            pod.told = status

    def _say(self, pod: Pod, what: str, **more: Any) -> None:
        event = Event(round(time.time(), 2), what, pod.name, pod.node, **more)
        self.events.append(event)
        with self._journal.open("ab") as journal:
            journal.write(orjson.dumps(asdict(event)) + b"\n")

    def _write_targets(self) -> None:
        if self._targets is None:
            return
        content = orjson.dumps([entry for pod in self.pods.values() for entry in scraped(pod)])
        if not self._targets.exists() or self._targets.read_bytes() != content:
            beside = self._targets.with_suffix(".new")
            beside.write_bytes(content)
            beside.rename(self._targets)
