"""What a pod asks of its node, as a local process can have it: command, environment, files, all from the pod's own object.

The image is `deploy/docker/Dockerfile`'s: its variables and entry point, with this checkout's environment for the folders it installs
to. Pods share one network and one file system here, so two things are mapped: the address 0.0.0.0 is the pod's own loopback address,
and a path below a mounted volume is a folder of the pod's.
"""

import base64
import json
import os
import shlex
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.deploy.dockerfile import steps

Object = dict[str, Any]
Lookup = Callable[[str, str], Mapping[str, bytes]]  # kind and name of a ConfigMap or Secret to what is in it
_SUFFIXES = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30}


class Unknown(Exception):
    """The pod asks for something that is not here; the pod waits, as with a kubelet."""


@dataclass(frozen=True, slots=True)
class Image:
    """What `exec` of an image needs."""

    entry: tuple[str, ...]
    variables: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Launch:
    """How to start a container. `most_bytes` is its memory limit, None without one."""

    command: tuple[str, ...]
    variables: Mapping[str, str]
    folder: Path
    most_bytes: int | None


def worker_image() -> Image:
    """Return the worker's image: the entry point from beside this Python, every variable of the Dockerfile but PATH.

    Byte code is kept between starts, since the image has it compiled.
    """
    said = [step for step in steps() if step.stage == "base"]
    variables = dict(pair.split("=", 1) for step in said if step.word == "ENV" for pair in shlex.split(step.text))
    (entry,) = (json.loads(step.text) for step in said if step.word == "ENTRYPOINT")
    here = Path(sys.executable).parent
    del variables["PATH"], variables["PYTHONDONTWRITEBYTECODE"]
    return Image((str(here / entry[0]), *entry[1:]), variables | {"PATH": f"{here}:{os.defpath}"})


def launch(pod: Object, image: Image, ip: str, folder: Path, lookup: Lookup) -> Launch:
    """Write the pod's volumes below `folder` and return how to start its only container. Raises Unknown."""
    (container,) = pod["spec"]["containers"]
    volumes = {volume["name"]: volume for volume in pod["spec"].get("volumes", ())}
    places: dict[str, str] = {}
    for mount in container.get("volumeMounts", ()):
        place = folder / "volumes" / mount["name"]
        _fill(place, volumes[mount["name"]], lookup)
        places[mount["mountPath"]] = str(place)
    home = folder / "home"
    home.mkdir(parents=True, exist_ok=True)

    def here(text: str) -> str:
        for path, place in places.items():
            if text == path or (path != "/tmp" and path + "/" in text):
                text = text.replace(path, place)
        return ip if text == "0.0.0.0" else text

    stated = {variable["name"]: _value(variable, pod, ip, lookup) for variable in container.get("env", ())}
    variables = {name: here(value) for name, value in (dict(image.variables) | stated).items()}
    if "/tmp" in places:
        variables["TMPDIR"] = places["/tmp"]
    command = (*container.get("command", image.entry), *map(here, container.get("args", ())))
    return Launch(command, variables | {"HOSTNAME": pod["metadata"]["name"]}, home, _memory(container))


def _fill(place: Path, volume: Object, lookup: Lookup) -> None:
    place.mkdir(parents=True, exist_ok=True)
    match volume:
        case {"emptyDir": _}:
            return
        case {"configMap": {"name": str(name)}}:
            content, mode = lookup("configmaps", name), 0o644
        case {"secret": {"secretName": str(name), **rest}}:
            content, mode = lookup("secrets", name), rest.get("defaultMode", 0o644)
        case _:
            raise Unknown(f"a volume of a kind that is not known here: {sorted(volume)}")
    for file, value in content.items():
        (place / file).write_bytes(value)
        (place / file).chmod(mode)


def _value(variable: Object, pod: Object, ip: str, lookup: Lookup) -> str:
    match variable.get("valueFrom"):
        case None:
            return str(variable.get("value", ""))
        case {"secretKeyRef": {"name": str(name), "key": str(key)}}:
            return lookup("secrets", name)[key].decode()
        case {"configMapKeyRef": {"name": str(name), "key": str(key)}}:
            return lookup("configmaps", name)[key].decode()
        case {"fieldRef": {"fieldPath": str(field)}}:
            known = {"status.podIP": ip, "spec.nodeName": pod["spec"]["nodeName"]}
            known |= {f"metadata.{name}": pod["metadata"][name] for name in ("name", "namespace")}
            if field in known:
                return str(known[field])
    raise Unknown(f"the variable {variable['name']} comes from where nothing is known here")


def decoded(kind: str, stored: Object) -> dict[str, bytes]:
    """Return what is in a ConfigMap or a Secret."""
    data = stored.get("data") or {}
    return {key: base64.b64decode(value) if kind == "secrets" else value.encode() for key, value in data.items()}


def _memory(container: Object) -> int | None:
    stated = container.get("resources", {}).get("limits", {}).get("memory")
    if stated is None:
        return None
    number = str(stated).rstrip("KMGi")
    return int(float(number) * _SUFFIXES.get(str(stated)[len(number) :], 1))
