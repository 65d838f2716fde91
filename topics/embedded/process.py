"""A process by its id and its start, so that a reused id is never taken for it. Reads Linux's /proc."""

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

POLL_SECONDS = 0.01


@dataclass(frozen=True, slots=True)
class Process:
    """One process of this boot; `started` is its start in clock ticks after boot."""

    pid: int
    started: int

    @classmethod
    def of(cls, pid: int) -> Self | None:
        """Return the living process with this id, or None. A zombie is dead."""
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return None
        # The command's name, in parentheses, may itself hold spaces and parentheses (man 5 proc).
        fields = stat.rpartition(")")[2].split()
        return None if fields[0] in "ZX" else cls(pid, int(fields[19]))

    def alive(self) -> bool:
        return Process.of(self.pid) == self

    def send(self, number: signal.Signals) -> None:
        """Send the signal; nothing happens when the process is gone."""
        if self.alive():
            try:
                os.kill(self.pid, number)
            except ProcessLookupError:
                return

    def gone(self, seconds: float) -> bool:
        """Wait until the process has ended, at most so long, and return whether it has."""
        deadline = time.monotonic() + seconds
        while self.alive():
            if time.monotonic() >= deadline:
                return False
            time.sleep(POLL_SECONDS)
        return True
