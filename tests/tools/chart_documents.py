"""What in the chart follows from elsewhere: the schema of its values, their table in its README, the topics of shipped tasks."""

import json
import re
from pathlib import Path
from typing import Any

import yaml

from workers.setting_table import describe
from workers.taskfiles import load_task, shipped_tasks

CHART = Path(__file__).parents[2] / "deploy" / "helm" / "nanotriage"
# The chart mounts secrets and calibrations and names the files; a static member would keep its partitions when it is scaled in.
OURS = {
    "kafka.password_file",
    "kafka.ca_file",
    "kafka.cert_file",
    "kafka.key_file",
    "kafka.group_instance_id",
    "model.api_key_file",
}
OURS |= {"calibration_folder"}
TEXTS = {"type": "object", "additionalProperties": {"type": "string"}}
OBJECTS = {"type": "array", "items": {"type": "object"}}
POSITIVE = {"type": "number", "exclusiveMinimum": 0}
COUNT = {"type": "integer", "minimum": 0}
SPECIAL: dict[str, dict[str, Any]] = {
    "image.digest": {"type": "string", "pattern": "^(sha256:[0-9a-f]{64})?$"},
    "image.pullPolicy": {"enum": ["Always", "IfNotPresent", "Never"]},
    "image.pullSecrets": {"type": "array", "items": {"type": "string"}},
    "tasks.files": {**TEXTS, "propertyNames": {"pattern": r"^[A-Za-z0-9._-]+\.ya?ml$"}},
    "tasks.calibrations": {**TEXTS, "propertyNames": {"pattern": r"^[A-Za-z0-9._-]+\.calibration\.json$"}},
    "rollups.replicas": COUNT,
    "rollups.flags": {"type": "array", "items": {"type": "string", "pattern": "^--"}},
    "rollups.resources": {"type": "object"},
    "prober.everySeconds": POSITIVE,
    "prober.timeoutSeconds": POSITIVE,
    "prober.resources": {"type": "object"},
    "worker.resources": {"type": "object"},
    "worker.podAnnotations": TEXTS,
    "worker.podLabels": TEXTS,
    "worker.nodeSelector": TEXTS,
    "worker.tolerations": OBJECTS,
    "worker.replicas": COUNT,
    "worker.patienceSeconds": POSITIVE,
    "scaling.mode": {"enum": ["off", "lag", "budget"]},
    "scaling.partitions": {"type": "integer", "minimum": 1},
    "scaling.min": COUNT,
    "scaling.max": {"type": ["integer", "null"], "minimum": 1},
    "scaling.messagesPerSecondPerPod": POSITIVE,
    "scaling.drainSeconds": POSITIVE,
    "scaling.tokensPerMinute": {"type": ["number", "null"], "exclusiveMinimum": 0},
    "scaling.tokensPerMessage": POSITIVE,
    "scaling.headroom": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
    "scaling.activationLag": COUNT,
    "scaling.pollingSeconds": {"type": "integer", "minimum": 1},
    "scaling.cooldownSeconds": COUNT,
    "scaling.stabilizationSeconds": {"type": "integer", "minimum": 0, "maximum": 3600},
    "scaling.step": {"type": "integer", "minimum": 1},
    "scaling.tolerance": {"type": ["number", "null"], "minimum": 0, "maximum": 1},
    "scaling.budget.fallbackReplicas": {"type": "integer", "minimum": 1},
    "networkPolicy.kafkaPeers": OBJECTS,
    "networkPolicy.modelPeers": OBJECTS | {"minItems": 1},
    "monitoring.labels": TEXTS,
    "monitoring.intervalSeconds": {"type": "integer", "minimum": 1},
    "strimzi.replicas": {"type": "integer", "minimum": 1},
    "strimzi.minInSync": {"type": "integer", "minimum": 1},
    "strimzi.authentication": {"enum": ["scram-sha-512", "tls"]},
}
PLAIN = {bool: "boolean", int: "integer", float: "number", str: "string"}


def values() -> dict[str, Any]:
    return yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))


def schema() -> str:
    """Return values.schema.json: no word that the chart does not know, and each value of its type."""
    special = SPECIAL | {
        "settings": _settings(),
        "tasks.shipped": {"type": "array", "items": {"enum": sorted(shipped_tasks())}},
    }
    inner = {name: _of(value, name, special) for name, value in values().items()}
    whole = {
        "$schema": "https://json-schema.org/draft-07/schema#",
        "type": "object",
        "additionalProperties": False,
        "properties": inner | {"global": {"type": "object"}},
    }
    return json.dumps(whole, indent=2) + "\n"


def _of(value: Any, path: str, special: dict[str, dict[str, Any]]) -> dict[str, Any]:
    if path in special:
        return special[path]
    if isinstance(value, dict):
        inner = {name: _of(child, f"{path}.{name}", special) for name, child in value.items()}
        return {"type": "object", "additionalProperties": False, "properties": inner}
    return {"type": PLAIN[type(value)]}


def _settings() -> dict[str, Any]:
    """Every setting but secrets and what the chart itself decides. The worker judges the values; a test asks it."""
    value = {"type": ["string", "number", "boolean", "null"]}
    whole: dict[str, Any] = {"type": "object", "additionalProperties": False, "properties": {}}
    for row in describe():
        if row.secret or row.name in OURS:
            continue
        at = whole["properties"]
        for section in row.path[:-1]:
            at = at.setdefault(section, {"type": "object", "additionalProperties": False, "properties": {}})["properties"]
        at[row.path[-1]] = {"type": "object"} if row.type.startswith("table") else value
    return whole


def table() -> str:
    """Return the table of the values: those with a comment that begins with `-- `."""
    rows = ["| value | default | meaning |", "|---|---|---|"]
    path: list[tuple[int, str]] = []
    said: list[str] = []
    for line in (CHART / "values.yaml").read_text(encoding="utf-8").splitlines():
        text = line.strip()
        if text.startswith("# -- "):
            said = [text.removeprefix("# -- ")]
        elif text.startswith("# ") and said:
            said.append(text.removeprefix("# "))
        elif named := re.match(r"^( *)([A-Za-z_]+):", line):
            path = [(depth, name) for depth, name in path if depth < len(named[1])] + [(len(named[1]), named[2])]
            if said:
                names = [name for _, name in path]
                rows.append(f"| `{'.'.join(names)}` | {_default(names)} | {' '.join(said)} |")
            said = []
    return "\n".join(rows) + "\n"


def _default(names: list[str]) -> str:
    value: Any = values()
    for name in names:
        value = value[name]
    if names == ["settings"]:
        return "below"
    return f"`{json.dumps(value, ensure_ascii=False)}`" if value not in ("", None) else ""


def shipped() -> str:
    """Return the topics of the shipped tasks, which a chart cannot read from the image."""
    found = {}
    for name in sorted(shipped_tasks()):
        task = load_task(name).task
        found[name] = {"source": task.source.topic, "outcomes": sorted(task.routes.topics())}
    return yaml.safe_dump(found, sort_keys=False, default_flow_style=None)
