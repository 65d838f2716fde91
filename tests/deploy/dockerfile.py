"""The Dockerfile's steps, read and executed without a container engine.

Each absolute folder that a step names is a folder below `root` instead, `python` is this machine's Python 3.11 in place of the
base image's, and the environment is empty but for how packages are reached. So each line is known to work, and nothing of the
checkout beyond what is copied can be used.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.deploy.tools import ROOT

DOCKERFILE = ROOT / "deploy" / "docker" / "Dockerfile"
FOLDERS = ("/src", "/opt", "/srv")
REACH = ("PIP_", "UV_", "SSL_", "HTTPS_", "HTTP_", "NO_PROXY", "https_", "http_", "no_proxy", "REQUESTS_", "CURL_")


@dataclass(frozen=True, slots=True)
class Step:
    """One instruction of one stage."""

    stage: str
    word: str
    text: str


def steps() -> list[Step]:
    """Return the instructions in order, continuation lines joined."""
    found: list[Step] = []
    stage = ""
    joined = re.sub(r"\\\n", " ", DOCKERFILE.read_text(encoding="utf-8"))
    for line in joined.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        word, _, text = line.strip().partition(" ")
        if word == "FROM":
            stage = text.split(" AS ")[1]
        found.append(Step(stage, word, text.strip()))
    return found


def above(stage: str) -> Iterator[str]:
    """Return the stage and those it is made from, the first one first."""
    for step in steps():
        if step.word == "FROM" and step.stage == stage:
            base = step.text.split(" AS ")[0]
            yield from above(base) if not base.startswith("$") else ()
            yield stage


class Built:
    """The stages as folders below `root`. `build` makes one; `run` starts its program."""

    def __init__(self, root: Path) -> None:
        self.root = root
        home = root / "home"
        home.mkdir(parents=True)
        (root / "bin").mkdir()
        (root / "bin" / "python").symlink_to(Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info.minor}")
        self.environment = {k: v for k, v in os.environ.items() if k.startswith(REACH)}
        self.environment |= {"PATH": f"{root / 'bin'}:/usr/bin:/bin", "HOME": str(home), "LANG": "C.UTF-8"}
        self.folder = root

    def here(self, text: str) -> str:
        """Return the text with the image's folders below root."""
        return re.sub(rf"(?<![\w.])(?=(?:{'|'.join(FOLDERS)})(?:/|\b))", str(self.root), text)

    def build(self, stage: str) -> None:
        """Execute the steps of a stage, those it is made from included."""
        wanted = list(above(stage))
        for step in (step for step in steps() if step.stage in wanted):
            match step.word:
                case "WORKDIR":
                    self.folder = Path(self.here(step.text))
                    self.folder.mkdir(parents=True, exist_ok=True)
                case "COPY" if not step.text.startswith("--from"):
                    self._copy(shlex.split(step.text))
                case "RUN":
                    self._run(step.text)
                case _:
                    pass

    def _copy(self, words: list[str]) -> None:
        *sources, target = words
        for source in sources:
            there = self.folder / target
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, there, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                there.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(ROOT / source, there / Path(source).name)

    def _run(self, command: str) -> None:
        done = subprocess.run(
            ["/bin/sh", "-c", self.here(command)],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, f"RUN {command}\n{done.stdout}{done.stderr}"

    def run(self, *arguments: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
        """Start the image's entry point as the last stage does, in a folder that it may not write to."""
        stated = [step.text for step in steps() if step.stage == "base" and step.word == "ENV"]
        environment = dict(pair.split("=", 1) for text in stated for pair in shlex.split(text))
        path = self.here(environment.pop("PATH").removesuffix(":$PATH"))
        return subprocess.run(
            [f"{path}/nanotriage", *arguments],
            cwd=cwd,
            env={"PATH": f"{path}:/usr/bin:/bin"} | environment | variables,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
