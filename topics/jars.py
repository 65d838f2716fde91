"""Jar files of a Maven registry, found in the ordinary local repository or downloaded into it by jgo.

Neither mvn nor java is needed; jgo belongs to the extra `local` and is imported only when jars are asked for. Downloads
go to a staging folder inside the repository and are moved into place whole, so a killed download leaves nothing that
looks finished and processes do not disturb each other.

A lock is a text of lines `group:artifact:version sha256` (`#` begins a comment); `python -m topics.jars COORDINATE...`
writes one.
"""

import hashlib
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeVar
from xml.etree.ElementTree import ParseError

if TYPE_CHECKING:
    from jgo.maven import MavenContext

T = TypeVar("T")

TIMEOUT_SECONDS = 30  # of one request
DOWNLOADS_AT_ONCE = 6


class JarsUnavailable(Exception):
    """The jars cannot be had; the message is one sentence with what to do."""


@dataclass(frozen=True, slots=True, order=True)
class Coordinate:
    """One pinned artefact, written `group:artifact:version`."""

    group: str
    artifact: str
    version: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a coordinate. Raises ValueError for anything but three parts that fit into a path."""
        parts = text.split(":")
        if len(parts) != 3 or not all(parts) or any("/" in part or ".." in part for part in parts):  # noqa: PLR2004 - three parts
            raise ValueError(f"{text!r} is not a Maven coordinate; write group:artifact:version")
        return cls(*parts)

    def __str__(self) -> str:
        return f"{self.group}:{self.artifact}:{self.version}"

    @property
    def path(self) -> Path:
        """The jar's place below a Maven repository."""
        return Path(*self.group.split("."), self.artifact, self.version, f"{self.artifact}-{self.version}.jar")


@dataclass(frozen=True, slots=True)
class Locked:
    """A coordinate and the only content that is accepted for it."""

    coordinate: Coordinate
    sha256: str


def read_lock(text: str) -> tuple[Locked, ...]:
    """Read a lock. Raises ValueError for a line that is not one."""
    locked = []
    for line in text.splitlines():
        content = line.partition("#")[0].split()
        if not content:
            continue
        if len(content) != 2 or len(content[1]) != 64:  # noqa: PLR2004 - a name and 64 hex digits
            raise ValueError(f"{line!r} is not a line of a lock; write group:artifact:version sha256")
        locked.append(Locked(Coordinate.parse(content[0]), content[1]))
    return tuple(locked)


def write_lock(locked: Sequence[Locked]) -> str:
    """Return the lock's text, sorted by coordinate."""
    lines = [f"{jar.coordinate} {jar.sha256}\n" for jar in sorted(locked, key=lambda jar: jar.coordinate)]
    return "# Written by `python -m topics.jars`; a jar that differs is refused.\n" + "".join(lines)


def repository() -> Path:
    """Return jgo's local repository: `M2_REPO` or ~/.m2/repository. Raises JarsUnavailable without jgo."""
    try:
        from jgo.constants import default_maven_repo  # noqa: PLC0415 - belongs to the extra `local`
    except ImportError as error:
        raise _no_jgo() from error
    return default_maven_repo().expanduser()


def resolve(coordinates: Sequence[str], *, transitive: bool = True) -> tuple[Path, ...]:
    """Return the local jars of the coordinates, with what they need at run time unless `transitive` is false.

    The named jars come first. Nothing is downloaded that is there already. The content is not checked: use `locked` where
    it must be known. Raises JarsUnavailable, and ValueError for a malformed coordinate.
    """
    parsed = [Coordinate.parse(text) for text in coordinates]
    home = repository()
    if not transitive:
        _download(parsed, home, lambda _coordinate, _path: None)
        return tuple(home / coordinate.path for coordinate in parsed)
    return tuple(home / coordinate.path for coordinate in _closure(parsed, home))


def locked(lock: str, report: Callable[[str], None] = lambda _: None) -> tuple[Path, ...]:
    """Return exactly the jars of the lock, downloading what is missing; nothing else is resolved.

    `report` is told before a download. Raises JarsUnavailable, also when a jar's content is not the locked one, and
    ValueError for a malformed lock.
    """
    wanted = read_lock(lock)
    home = repository()
    missing = [jar.coordinate for jar in wanted if not (home / jar.coordinate.path).is_file()]
    if missing:
        report(f"Downloading {len(missing)} of {len(wanted)} jars to {home}")
    digests = {jar.coordinate: jar.sha256 for jar in wanted}

    def check(coordinate: Coordinate, path: Path) -> None:
        if digest(path) != digests[coordinate]:
            raise JarsUnavailable(
                f"{coordinate} is not the locked one (its sha256 differs); delete {home / coordinate.path}"
                " and run the command again."
            )

    # What is downloaded is checked before it enters the repository, what was there already after.
    _download(missing, home, check)
    for jar in wanted:
        check(jar.coordinate, home / jar.coordinate.path)
    return tuple(home / jar.coordinate.path for jar in wanted)


def lock(coordinates: Sequence[str]) -> str:
    """Resolve the coordinates with all they need and return the lock of what was found. Raises as `resolve` does."""
    home = repository()
    found = _closure([Coordinate.parse(text) for text in coordinates], home)
    return write_lock([Locked(coordinate, digest(home / coordinate.path)) for coordinate in found])


def digest(path: Path) -> str:
    """Return the file's sha256 in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _download(wanted: Sequence[Coordinate], home: Path, check: Callable[[Coordinate, Path], None]) -> None:
    """Bring what is missing below `home`, each jar once `check` accepts it."""
    missing = [coordinate for coordinate in wanted if not (home / coordinate.path).is_file()]

    def work(context: "MavenContext") -> None:
        def one(coordinate: Coordinate) -> None:
            component = context.project(coordinate.group, coordinate.artifact).at_version(coordinate.version)
            check(coordinate, component.artifact().resolve())

        with ThreadPoolExecutor(DOWNLOADS_AT_ONCE) as pool:
            list(pool.map(one, missing))

    if missing:
        _online(home, missing, work)


def _closure(coordinates: Sequence[Coordinate], home: Path) -> tuple[Coordinate, ...]:
    """Return the coordinates and all they need, every one of them present below `home`."""
    from jgo.maven import MavenContext  # noqa: PLC0415 - belongs to the extra `local`

    def closure(context: MavenContext) -> tuple[Coordinate, ...]:
        named = [context.create_dependency(str(coordinate)) for coordinate in coordinates]
        inputs, needed = context.resolver.resolve(named)
        jars = [d for d in (*inputs, *needed) if d.type == "jar" and not d.classifier]
        for dependency in jars:
            dependency.artifact.resolve()
        return tuple(dict.fromkeys(Coordinate(d.groupId, d.artifactId, d.version) for d in jars))

    # Without the network first: a repository that is complete may be read-only, and is as good as a registry.
    try:
        return closure(MavenContext(repo_cache=home, offline=True))
    except (RuntimeError, OSError, ParseError):
        return _online(home, coordinates, closure)


def _online(home: Path, wanted: Sequence[Coordinate], work: Callable[["MavenContext"], T]) -> T:
    """Run the work with a registry behind the repository, and move what it downloaded into the repository."""
    try:
        from jgo.maven import MavenContext  # noqa: PLC0415 - belongs to the extra `local`
    except ImportError as error:
        raise _no_jgo() from error
    names = ", ".join(map(str, wanted[:3])) + (f" and {len(wanted) - 3} more" if len(wanted) > 3 else "")  # noqa: PLR2004 - enough to recognise
    try:
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=home, prefix=".nanotriage-") as folder:
            staging = Path(folder)
            result = work(MavenContext(repo_cache=staging, local_repos=[home], timeout=TIMEOUT_SECONDS))
            _promote(staging, home)
            return result
    except ParseError as error:
        raise JarsUnavailable(
            f"A damaged answer came for {names} ({error}); is a proxy's page in the way? Try again later."
        ) from error
    except OSError as error:  # also every error of `requests`
        raise JarsUnavailable(
            f"The Maven registry cannot be reached, or {home} not written, for {names} "
            f"({type(error).__name__}); connect once, or copy the jars there."
        ) from error
    except RuntimeError as error:
        raise JarsUnavailable(f"The Maven registry does not have {names}; check the version.") from error


def _promote(staging: Path, home: Path) -> None:
    for source in staging.rglob("*"):
        if source.is_file():
            target = home / source.relative_to(staging)
            target.parent.mkdir(parents=True, exist_ok=True)
            source.replace(target)


def _no_jgo() -> JarsUnavailable:
    return JarsUnavailable("The package jgo is not installed; run `pip install 'nanotriage[local]'`.")


if __name__ == "__main__":
    try:
        print(lock(sys.argv[1:]), end="")
    except (JarsUnavailable, ValueError) as error:
        sys.exit(str(error))
