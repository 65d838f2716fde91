"""Builds are made once, bounded in time, and say why there is none."""

import fcntl
import subprocess

import pytest

from tests.cluster.binaries import Build, _bounded, _Late
from tests.deploy import tools
from tests.deploy.tools import ToolMissing

SOUND = 'package main\n\nfunc main() { println("runs") }\n'


@pytest.fixture
def build(monkeypatch, tmp_path):
    """A function of a program's source that returns its Build, in a cache of its own, and the list of times it was prepared."""
    monkeypatch.setattr(tools, "home", lambda: tmp_path)

    def of(text):
        prepared = []

        def prepare(source):
            prepared.append(source)
            (source / "cmd" / "small").mkdir(parents=True)
            (source / "go.mod").write_text("module small\n")
            (source / "cmd" / "small" / "main.go").write_text(text)

        return Build("small", "v1", {"renamed": "./cmd/small"}, prepare, "-s -w"), prepared

    return of


def test_it_is_made_once(build):
    """And found afterwards, by the name that we give it, with nothing of its source beside it."""
    small, prepared = build(SOUND)
    with pytest.raises(ToolMissing, match="make cluster"):
        small.found()
    assert small.make() == small.make() == small.found()
    assert len(prepared) == 1
    said = subprocess.run([str(small.found() / "renamed")], capture_output=True, text=True, timeout=20, check=True)
    assert said.stderr == "runs\n"
    assert not (small.place / "source").exists()


def test_what_does_not_compile_says_so(build):
    """In the compiler's words, and nothing is there that could be taken for a program."""
    small, _ = build("package main\n\nfunc main() { nothing() }\n")
    with pytest.raises(ToolMissing, match="undefined: nothing"):
        small.make()
    assert not small.place.exists()


def test_who_waits_for_another_builder_waits_so_long_and_no_longer(build):
    """A second process that builds holds the lock; after the time is over we go on without."""
    small, prepared = build(SOUND)
    with (tools.home() / f"{small.place.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(_Late), _bounded(1):
            small.make()
    assert prepared == []
