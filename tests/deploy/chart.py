"""The chart, rendered: what Helm makes of values, as objects."""

import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.deploy.tools import ROOT, helm

CHART = ROOT / "deploy" / "helm" / "nanotriage"
CASES = tuple(sorted(path.stem for path in (CHART / "ci").glob("*.yaml")))
Object = dict[str, Any]


class ChartRefused(Exception):
    """Helm renders nothing from these values; the message says why."""


def render(values: Object | None = None, case: str | None = None, namespace: str = "triage") -> list[Object]:
    """Return the objects of a release `nt` in the namespace. Raises ChartRefused."""
    files = ["--values", str(CHART / "ci" / f"{case}.yaml")] if case else []
    command = [str(helm()), "template", "nt", str(CHART), "--namespace", namespace, *files, "--values", "-"]
    done = subprocess.run(command, input=yaml.safe_dump(values or {}), capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        raise ChartRefused(done.stderr)
    return [found for found in yaml.safe_load_all(done.stdout) if found]


@cache
def rendered(case: str) -> tuple[Object, ...]:
    return tuple(render(case=case))


def one(objects: list[Object] | tuple[Object, ...], kind: str, name: str = "") -> Object:
    """Return the only object of the kind whose name contains `name`."""
    (found,) = [o for o in objects if o["kind"] == kind and name in o["metadata"]["name"]]
    return found


def container(objects: list[Object] | tuple[Object, ...]) -> Object:
    (found,) = one(objects, "Deployment")["spec"]["template"]["spec"]["containers"]
    return found


def variables(objects: list[Object] | tuple[Object, ...]) -> dict[str, str]:
    return {variable["name"]: variable["value"] for variable in container(objects)["env"]}


def files(pattern: str) -> list[Path]:
    return sorted(CHART.glob(pattern))
