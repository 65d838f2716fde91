"""A model server in a process of its own, for as long as a block lasts or until it is stopped from another command."""

import http.client
import os
import secrets
import subprocess
import sys
import time
from collections import deque
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from signal import SIGKILL, SIGTERM, Signals
from types import TracebackType
from typing import Self

import topics.embedded.watchdog
from topics.embedded.ports import free_ports
from topics.embedded.process import Process
from workers.exits import Exit, UserError
from workers.modelserver.options import Kind, ModelOptions, command, require_packages

READY_SECONDS = 120.0  # a cold start downloads 25 MB and embeds every example
STOP_SECONDS = 10.0
_POLL_SECONDS = 0.05
_PROBE_SECONDS = 2.0
_LOG_LINES = 15
_SEEDS = 1 << 16  # two servers that are made before either starts must not look at the same port first
_HOME = Path(__file__).resolve().parents[2]
_MODEL_IDS = {Kind.CLASSIFIER: "local-bge-small", Kind.RANDOM: "local-bge-small", Kind.LLM: "smollm2-135m-instruct"}


class LocalModel:
    """A local model server. Its port stays the same when it is started again.

    The server ends with this process, also when this process is killed, unless it was started detached. Used by one thread.
    """

    def __init__(self, options: ModelOptions | None = None) -> None:
        given = options or ModelOptions()
        self._options = replace(given, port=given.port or free_ports(1, seed=secrets.randbelow(_SEEDS))[0])
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def base_url(self) -> str:
        """What an OpenAI client takes as its base URL."""
        return f"http://{self._options.host}:{self._options.port}/v1"

    @property
    def model(self) -> str:
        """The id of the one model it serves."""
        return _MODEL_IDS[self._options.kind]

    @property
    def host(self) -> str:
        return self._options.host

    @property
    def port(self) -> int:
        return self._options.port

    @property
    def log(self) -> Path:
        """What the server wrote to its output."""
        return self._options.models_folder / f"server-{self._options.port}.log"

    @property
    def process(self) -> Process | None:
        """The server's process while it lives."""
        return None if self._child is None else Process.of(self._child.pid)

    def start(self, *, detached: bool = False, ready_seconds: float = READY_SECONDS) -> None:
        """Start the server and wait until it answers. Nothing happens when it already runs.

        Raises UserError, with the last lines of the log, when it ends or does not answer in time.
        """
        if self.process is not None:
            return
        require_packages(self._options.kind)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        guard = [] if detached else [sys.executable, "-I", "-S", str(Path(topics.embedded.watchdog.__file__))]
        paths = [str(_HOME), *filter(None, [os.environ.get("PYTHONPATH")])]
        with self.log.open("wb") as log:
            self._child = subprocess.Popen(  # noqa: S603  # our own command
                [*guard, *command(self._options)],
                stdin=subprocess.DEVNULL if detached else subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                # OpenBLAS spins: with two threads the fits cost three times the processor time.
                env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OPENBLAS_NUM_THREADS": "1"},
                start_new_session=True,
            )
        self._wait_ready(ready_seconds)

    def stop(self) -> None:
        """End the server in order, or with SIGKILL when that takes too long; returns when it is gone."""
        self._end(SIGTERM)

    def kill(self) -> None:
        """End the server as a crash would; returns when it is gone."""
        self._end(SIGKILL)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def _end(self, number: Signals) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        child.send_signal(number)
        try:
            child.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait(STOP_SECONDS)
        if child.stdin is not None:
            child.stdin.close()

    def _wait_ready(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not answers(self._options.host, self._options.port, self._options.kind):
            if self.process is None:
                raise self._failed("ended while starting")
            if time.monotonic() >= deadline:
                raise self._failed(f"did not answer within {seconds:.0f} s")
            time.sleep(_POLL_SECONDS)
        if self.process is None:  # somebody else answers on the port
            raise self._failed("ended while starting")

    def _failed(self, what: str) -> UserError:
        self.kill()
        tail: deque[str] = deque(maxlen=_LOG_LINES)
        with suppress(OSError), self.log.open(encoding="utf-8", errors="replace") as log:
            tail.extend(line.strip() for line in log if line.strip())
        said = " | ".join(tail) or "it said nothing"
        return UserError(f"the local model {what}; the end of {self.log}: {said}", Exit.MODEL)


def answers(host: str, port: int, kind: Kind) -> bool:
    """Whether a server says there that it is ready."""
    connection = http.client.HTTPConnection(host, port, timeout=_PROBE_SECONDS)
    try:
        connection.request("GET", "/health" if kind is Kind.LLM else "/healthz")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
