"""Programs that run beside a test: each with a log, none left behind, even when the test is killed."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from topics.embedded.runtime import Guard

STOP_SECONDS = 30.0
LAST_LINES = 15


class ProgramEnded(Exception):
    """A program ended by itself; the message has its last lines."""


class Processes:
    """Programs by name. A context manager that kills them all at once: what they keep is thrown away with their folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        lifeline, self._held = os.pipe()
        self._guard = Guard(sys.executable, lifeline)

    def start(self, name: str, *command: str | Path, variables: Mapping[str, str] | None = None) -> None:
        """Start a program; what it prints is appended to its log. `variables` are all that it gets of an environment."""
        with self._log_file(name).open("ab") as log:
            self._running[name] = subprocess.Popen(
                [*self._guard.command, *(str(part) for part in command)],
                stdin=self._guard.lifeline,
                stdout=log,
                stderr=log,
                cwd=self._folder,
                env={"PATH": os.environ["PATH"], **(variables or {})},
                start_new_session=True,
            )

    def check(self) -> None:
        """Raise ProgramEnded if a program is not running any more."""
        for name, process in self._running.items():
            if process.poll() is not None:
                raise ProgramEnded(f"{name} ended with {process.returncode}:\n{self.last_lines(name)}")

    def last_lines(self, name: str) -> str:
        lines = self._log_file(name).read_text(errors="replace").splitlines()
        return "\n".join(lines[-LAST_LINES:])

    def stop(self, name: str) -> int:
        """Ask the program to end, and wait for it; return its exit code. After 30 seconds it is killed."""
        process = self._running.pop(name)
        process.terminate()
        try:
            return process.wait(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()

    def close(self) -> None:
        for process in self._running.values():
            process.kill()
        for process in self._running.values():
            process.wait()
        os.close(self._held)
        os.close(self._guard.lifeline)

    def _log_file(self, name: str) -> Path:
        return self._folder / f"{name}.log"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        self.close()
