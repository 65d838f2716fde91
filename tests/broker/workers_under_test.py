"""Worker processes for tests: the real command line, killed, held and watched from outside."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import orjson

from tests.broker.stage import Stage
from tests.helpers import wait_until

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = "workers"
STOP_SECONDS = 40.0


def environment(**settings: object) -> dict[str, str]:
    """Return this process's environment without settings of ours, but with these: `kafka__brokers=...`.

    Byte code is kept between workers, whatever the environment says: it halves what a start costs.
    """
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("NANOTRIAGE_", "OPENAI_"))}
    clean.pop("PYTHONDONTWRITEBYTECODE", None)
    clean |= {"PYTHONPATH": str(ROOT), "PYTHONPYCACHEPREFIX": str(ROOT / ".nanotriage" / "pycache")}
    return clean | {f"NANOTRIAGE_{name.upper()}": str(value) for name, value in settings.items()}


def worker_settings(stage: Stage, model_url: str, **others: object) -> dict[str, str]:
    """Return the environment of a worker on this stage; short timeouts, logs as JSON, any health port."""
    settings: dict[str, object] = {
        "kafka__brokers": stage.bootstrap,
        "kafka__group": stage.group,
        "kafka__session_timeout_seconds": 6,
        "model__base_url": model_url,
        "model__name": "fake",
        "model__timeout_seconds": 10,
        "health__port": 0,
        "logs__format": "json",
    }
    return environment(**(settings | others))


class Worker:
    """One process of `python -m MODULE run --task FILE`. Its log is a file; nothing outlives `end`."""

    def __init__(
        self, stage: Stage, settings: Mapping[str, str], *flags: str, module: str = PRODUCT, name: str = "worker"
    ) -> None:
        self.name = name
        self.log = stage.folder / f"{name}.log"
        command = [sys.executable, "-m", module, "run", "--task", str(stage.task_file), *flags]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, cwd=stage.folder, env=dict(settings), stdout=log, stderr=log)

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    def lines(self, event: str | None = None) -> list[dict[str, Any]]:
        """Return the log's JSON lines, of one event if it is named."""
        found = []
        for line in self.log.read_bytes().splitlines():
            try:
                parsed = orjson.loads(line)
            except orjson.JSONDecodeError:
                continue
            if isinstance(parsed, dict) and (event is None or parsed.get("event") == event):
                found.append(parsed)
        return found

    def until_logged(self, event: str, seconds: float = 30.0) -> dict[str, Any]:
        """Wait for the first line of the event. Raises AssertionError when the process ends before."""

        def logged() -> bool:
            assert self.running or self.lines(event), f"the worker ended before {event}:\n{self.tail()}"
            return bool(self.lines(event))

        wait_until(logged, seconds)
        return self.lines(event)[0]

    def tail(self, count: int = 30) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-count:])

    def lanes(self, state: str) -> int:
        """Return how often a lane took this state."""
        return sum(line["state"] == state for line in self.lines("lane"))

    def get(self, path: str) -> tuple[int, bytes]:
        """Return status and body of the health server's answer; status 0 while it does not answer."""
        started = self.lines("started")
        if not started:
            return 0, b""
        try:
            with urlopen(f"http://127.0.0.1:{started[0]['health_port']}{path}", timeout=5) as response:
                return response.status, response.read()
        except HTTPError as error:
            with error:
                return error.code, error.read()
        except (URLError, OSError):
            return 0, b""

    def metric(self, name: str) -> float:
        """Return a metric, summed over its labels; 0 while it cannot be had."""
        _, body = self.get("/metrics")
        lines = body.decode().splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith((f"{name} ", f"{name}{{")))

    def kill(self) -> None:
        """SIGKILL: nothing is said to anybody."""
        self.process.kill()
        self.process.wait()

    def hold(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def release(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def stop(self, seconds: float = STOP_SECONDS) -> int:
        """SIGTERM; return the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait(seconds)

    def wait(self, seconds: float) -> int:
        """Return the exit code, once the process has ended by itself."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the worker did not end within {seconds:g} s:\n{self.tail()}") from None

    def end(self) -> None:
        if self.running:
            self.kill()


class Crew:
    """So many workers of one group; a killed one is replaced. A context manager that leaves no process behind."""

    def __init__(self, stage: Stage, settings: Mapping[str, str], count: int, *flags: str, module: str = PRODUCT) -> None:
        self.everybody: list[Worker] = []
        self._stage, self._settings, self._flags, self._module = stage, settings, flags, module
        self._count = count

    @property
    def running(self) -> list[Worker]:
        return [worker for worker in self.everybody if worker.running]

    def add(self) -> Worker:
        name = f"worker-{len(self.everybody)}"
        worker = Worker(self._stage, self._settings, *self._flags, module=self._module, name=name)
        self.everybody.append(worker)
        return worker

    def kill_one(self, chance: random.Random) -> Worker:
        """Kill any one of the running, and start another."""
        victim = chance.choice(self.running)
        victim.kill()
        self.add()
        return victim

    def stop(self) -> list[int]:
        """Stop all side by side, once they are up; return their exit codes."""
        running = self.running
        for worker in running:
            worker.until_logged("started")
            worker.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        return [worker.wait(max(0.1, deadline - time.monotonic())) for worker in running]

    def count(self, event: str, **fields: object) -> int:
        """Return how many log lines of all workers are of this event, with these fields."""
        lines = [line for worker in self.everybody for line in worker.lines(event)]
        return sum(all(line.get(name) == value for name, value in fields.items()) for line in lines)

    def joins(self) -> int:
        """Return how often any of them joined the group: each time it may lose its calls in flight."""
        return self.count_starting("Joined group")

    def count_starting(self, event: str) -> int:
        """Return how many log lines of all workers begin so."""
        lines = [line for worker in self.everybody for line in worker.lines()]
        return sum(line.get("event", "").startswith(event) for line in lines)

    def __enter__(self) -> Self:
        for _ in range(self._count):
            self.add()
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self.everybody:
            worker.end()


def run_to_end(arguments: Sequence[str], folder: Path, settings: Mapping[str, str], seconds: float = 40.0) -> tuple[int, str]:
    """Run the command line to its end; return the exit code and what it wrote."""
    command = [sys.executable, "-m", PRODUCT, *arguments]
    done = subprocess.run(command, cwd=folder, env=dict(settings), capture_output=True, timeout=seconds, check=False)
    return done.returncode, (done.stdout + done.stderr).decode()
