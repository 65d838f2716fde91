"""Who finds what in the chart's objects. Each layer returns sentences, none when it is content."""

import json
import re
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator, ValidationError
from referencing import Registry, Resource

from tests.deploy import tools
from tests.deploy.chart import Object
from workers.exits import UserError
from workers.settings import load_settings

KUBERNETES = ("1.27", "1.30", "1.33", "1.35", "1.37")
RESTRICTED_VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
}
PROBES = ("startupProbe", "livenessProbe", "readinessProbe")


@cache
def _kubernetes(version: str, kind: str) -> Draft202012Validator | None:
    folder = tools.schemas() / f"v{version}.0-local-strict"
    path = folder / f"{kind}.json"
    if not path.exists():
        return None
    definitions = json.loads((folder / "_definitions.json").read_text())
    registry = Registry().with_resource(definitions["$id"], Resource.from_contents(definitions))
    return Draft202012Validator(json.loads(path.read_text()), registry=registry)


def _schema_name(found: Object) -> str:
    group, _, version = found["apiVersion"].rpartition("/")
    return "-".join([found["kind"].lower(), *([group.split(".")[0]] if group else []), version])


def kubernetes(objects: Sequence[Object], versions: Sequence[str] = KUBERNETES) -> Iterator[str]:
    """Kubernetes' own kinds, by the strict schemas of several versions."""
    for version in versions:
        for found in objects:
            if (validator := _kubernetes(version, _schema_name(found))) is not None:
                yield from (_said(f"{version} {found['kind']}", error) for error in validator.iter_errors(found))
            elif not found["apiVersion"].partition("/")[0].endswith((".sh", ".com", "strimzi.io")):
                yield f"{version} {found['kind']}: no schema of {found['apiVersion']}"


def custom(objects: Sequence[Object]) -> Iterator[str]:
    """KEDA's, the Prometheus operator's and Strimzi's kinds, by their definitions."""
    for found in objects:
        group = found["apiVersion"].partition("/")[0]
        if not group.endswith((".sh", ".com", "strimzi.io")):
            continue
        schema = tools.definitions().get((found["apiVersion"], found["kind"]))
        if schema is None:
            yield f"{found['kind']}: {found['apiVersion']} is not served"
        else:
            yield from (_said(found["kind"], error) for error in Draft202012Validator(schema).iter_errors(found))


def triggers(objects: Sequence[Object]) -> Iterator[str]:
    """What KEDA's operator would ignore or refuse only after the installation."""
    scaled = [found for found in objects if found["kind"] == "ScaledObject"]
    targets = [found["spec"]["scaleTargetRef"]["name"] for found in scaled]
    deployments = {found["metadata"]["name"]: found for found in objects if found["kind"] == "Deployment"}
    yield from (f"two ScaledObjects scale {name}" for name in {t for t in targets if targets.count(t) > 1})
    for found in scaled:
        spec = found["spec"]
        target = deployments.get(spec["scaleTargetRef"]["name"])
        if target is None:
            yield f"scaleTargetRef names no Deployment: {spec['scaleTargetRef']['name']}"
        elif "replicas" in target["spec"]:
            yield "the Deployment states replicas, which an upgrade would set back"
        if spec.get("minReplicaCount", 0) > spec.get("maxReplicaCount", 100):
            yield "minReplicaCount is above maxReplicaCount"
        for trigger in spec["triggers"]:
            yield from _trigger(trigger)
        if formula := spec.get("advanced", {}).get("scalingModifiers", {}).get("formula"):
            named = set(re.findall(r"[a-z]\w+", formula)) - {"min", "max"}
            yield from (f"the formula names no trigger {word}" for word in named - {t.get("name") for t in spec["triggers"]})
            if "fallback" not in spec:
                yield "a formula without fallback stands still when one trigger fails"


def _trigger(trigger: Object) -> Iterator[str]:
    metadata = trigger["metadata"]
    try:
        known = tools.trigger_words(trigger["type"])
    except FileNotFoundError:
        yield f"there is no trigger of type {trigger['type']}"
        return
    yield from (f"{trigger['type']}: {word} is unknown and would be ignored" for word in metadata if word not in known)
    if float(metadata.get("lagThreshold", 1)) <= 0:
        yield "lagThreshold must be above 0"
    if "true" in str(metadata.get("allowIdleConsumers")) and "true" in str(metadata.get("limitToPartitionsWithLag")):
        yield "allowIdleConsumers and limitToPartitionsWithLag exclude each other"


def links(objects: Sequence[Object]) -> Iterator[str]:
    """Names that must agree between objects, which no schema compares."""
    labels = worker_of(objects)["spec"]["template"]["metadata"]["labels"]
    selectors = {
        **{o["kind"]: o["spec"]["selector"] for o in objects if o["kind"] in {"PodDisruptionBudget", "PodMonitor"}},
        **{o["kind"]: o["spec"]["podSelector"] for o in objects if o["kind"] == "NetworkPolicy"},
    }
    for kind, selector in selectors.items():
        if not selector.get("matchLabels", {}).items() <= labels.items() or not selector.get("matchLabels"):
            yield f"{kind} does not select the worker's pods"
    scraped = [e["port"] for o in objects if o["kind"] == "PodMonitor" for e in o["spec"]["podMetricsEndpoints"]]
    accounts = {found["metadata"]["name"] for found in objects if found["kind"] == "ServiceAccount"}
    for deployment in (found for found in objects if found["kind"] == "Deployment"):
        yield from _inside(deployment, scraped, accounts)
    budget = [o["spec"] for o in objects if o["kind"] == "PodDisruptionBudget"]
    if any("minAvailable" in spec for spec in budget):
        yield "minAvailable would hold a drain up while there is one worker"


def worker_of(objects: Sequence[Object]) -> Object:
    """Return the workers' Deployment, of several."""
    (found,) = [
        o for o in objects if o["kind"] == "Deployment" and o["metadata"]["labels"]["app.kubernetes.io/component"] == "worker"
    ]
    return found


def _inside(deployment: Object, scraped: Sequence[str], accounts: set[str]) -> Iterator[str]:
    """Names that must agree within a Deployment, and with what is about every pod."""
    template = deployment["spec"]["template"]
    labels, pod = template["metadata"]["labels"], template["spec"]
    selected = deployment["spec"]["selector"].get("matchLabels", {})
    if not selected or not selected.items() <= labels.items():
        yield f"{deployment['metadata']['name']} does not select its own pods"
    (worker,) = pod["containers"]
    volumes = {volume["name"] for volume in pod.get("volumes", [])}
    yield from (f"{m['name']} is mounted and no volume" for m in worker.get("volumeMounts", []) if m["name"] not in volumes)
    ports = {port["name"] for port in worker.get("ports", [])}
    named = {probe: worker[probe]["httpGet"] for probe in PROBES if probe in worker}
    yield from (f"{probe} is missing" for probe in PROBES if probe not in worker)
    yield from (f"{probe} asks port {get['port']}, which is none" for probe, get in named.items() if get["port"] not in ports)
    yield from (
        f"{probe} asks {get['path']}, which is none" for probe, get in named.items() if get["path"] not in {"/live", "/ready"}
    )
    if named.get("livenessProbe", {}).get("path") == "/ready":
        yield "a model outage would restart the worker: liveness is /live"
    yield from (f"PodMonitor scrapes port {port}, which is none" for port in scraped if port not in ports)
    if pod.get("serviceAccountName") not in accounts:
        yield f"there is no ServiceAccount {pod.get('serviceAccountName')}"
    limits, asked = worker["resources"].get("limits", {}), worker["resources"].get("requests", {})
    yield from (f"{name}: limit below request" for name in limits if _bytes(limits[name]) < _bytes(asked.get(name, "0")))


def _bytes(quantity: str) -> float:
    number, unit = re.fullmatch(r"([\d.]+)([a-zA-Z]*)", str(quantity)).groups()
    return float(number) * {"": 1, "m": 0.001, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "k": 1e3, "M": 1e6, "G": 1e9}[unit]


def restricted(objects: Sequence[Object]) -> Iterator[str]:
    """Pod Security's level `restricted`, which an API server only warns of when a Deployment breaks it."""
    for deployment in (found for found in objects if found["kind"] == "Deployment"):
        yield from _restricted(deployment["spec"]["template"]["spec"])


def _restricted(pod: Object) -> Iterator[str]:
    whole = pod.get("securityContext", {})
    yield from (f"{word} is not allowed" for word in ("hostNetwork", "hostPID", "hostIPC") if pod.get(word))
    for volume in pod.get("volumes", []):
        yield from (f"volume of type {kind}" for kind in volume.keys() - {"name"} - RESTRICTED_VOLUMES)
    for found in pod["containers"]:
        own = found.get("securityContext", {})
        if own.get("privileged") or own.get("allowPrivilegeEscalation") is not False:
            yield "allowPrivilegeEscalation must be false"
        if not own.get("runAsNonRoot", whole.get("runAsNonRoot")) or own.get("runAsUser", whole.get("runAsUser")) == 0:
            yield "runAsNonRoot must be true"
        if own.get("seccompProfile", whole.get("seccompProfile", {})).get("type") not in {"RuntimeDefault", "Localhost"}:
            yield "seccompProfile must be RuntimeDefault"
        if "ALL" not in own.get("capabilities", {}).get("drop", []) or own.get("capabilities", {}).get("add"):
            yield "capabilities must be dropped"
        if not own.get("readOnlyRootFilesystem"):
            yield "the root file system must be read-only"
        yield from (f"port {port['containerPort']} on the host" for port in found.get("ports", []) if "hostPort" in port)
    if pod.get("automountServiceAccountToken") is not False:
        yield "the worker needs no token of the API server"


def product(objects: Sequence[Object]) -> Iterator[str]:
    """The worker itself, reading its variables; and the grace it needs to stop."""
    pod = worker_of(objects)["spec"]["template"]["spec"]
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        patch.chdir(folder)
        for variable in pod["containers"][0]["env"]:
            patch.setenv(variable["name"], variable.get("value", "from a Secret"))
        try:
            settings = load_settings({})
        except UserError as error:
            yield str(error)
            return
    if settings.stop_seconds <= settings.model.timeout_seconds:
        yield "a stop is shorter than the longest call"
    if pod["terminationGracePeriodSeconds"] <= settings.stop_seconds:
        yield "the grace period is shorter than a stop"
    if settings.kafka.group_instance_id:
        yield "static members keep the partitions of workers that were scaled in"
    if any(o["kind"] == "ScaledObject" for o in objects):
        metadata = [t["metadata"] for o in objects if o["kind"] == "ScaledObject" for t in o["spec"]["triggers"]]
        groups = {m["consumerGroup"] for m in metadata if "consumerGroup" in m}
        yield from (
            f"KEDA looks at the group {group}, not at {settings.kafka.group}" for group in groups - {settings.kafka.group}
        )


def rules(objects: Sequence[Object]) -> Iterator[str]:
    """Promtool, on the rules as the cluster gets them."""
    for found in objects:
        if found["kind"] != "PrometheusRule":
            continue
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "rules.yaml"
            path.write_text(yaml.safe_dump(found["spec"]))
            command = [str(tools.promtool()), "check", "rules", str(path)]
            done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
            if done.returncode:
                yield done.stderr.strip() or done.stdout.strip()


LAYERS = {layer.__name__: layer for layer in (kubernetes, custom, triggers, links, restricted, product, rules)}


def _said(where: str, error: ValidationError) -> str:
    return f"{where}: {'.'.join(map(str, error.absolute_path))}: {error.message[:200]}"
