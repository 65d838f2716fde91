"""One node of the embedded Kafka: its files, its process, and the signals tests send it."""

import shutil
import signal
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from topics.embedded import probe
from topics.embedded.errors import EmbeddedKafkaError
from topics.embedded.process import Process
from topics.embedded.runtime import Guard, Runtime
from topics.embedded.state import NodeState

if TYPE_CHECKING:
    from subprocess import Popen

READY_SECONDS = 60.0
STOP_SECONDS = 10.0
KILL_SECONDS = 10.0
POLL_SECONDS = 0.02
LOG_LINES_SHOWN = 15


class Node:
    """One broker and controller. Used by one thread at a time; `changed` is told of every new process."""

    def __init__(self, state: NodeState, folder: Path, changed: Callable[[NodeState], None]) -> None:
        self.state = state
        self.folder = folder
        self.log = folder / "broker.log"
        self._changed = changed
        self._child: Popen[bytes] | None = None
        self._runtime: Runtime | None = None
        self._guard: Guard | None = None

    @property
    def pid(self) -> int:
        """The process id of the broker, or 0 before the first start."""
        return 0 if self.state.process is None else self.state.process.pid

    def alive(self) -> bool:
        """Whether the process exists, paused or not."""
        return self.state.running()

    def prepare(self, runtime: Runtime, guard: Guard | None, properties: str) -> None:
        """Write the configuration and say what to run on; before the first `launch`."""
        self._runtime, self._guard = runtime, guard
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "server.properties").write_text(properties)

    def retire(self) -> None:
        """Forget what `prepare` said."""
        self._runtime, self._guard = None, None

    def launch(self) -> None:
        """Start the process on the same data and ports without waiting. Nothing happens when it is alive.

        Raises EmbeddedKafkaError when this cluster was not started by this process.
        """
        if self.alive():
            return
        if self._runtime is None:
            raise EmbeddedKafkaError(f"Node {self.state.node_id} was not started by this process; start the cluster first.")
        self._reap()
        temporary = self.folder / "tmp"
        shutil.rmtree(temporary, ignore_errors=True)  # native libraries that a killed Java left
        temporary.mkdir()
        with self.log.open("ab") as log:
            self._child = self._runtime.spawn(
                self.folder, "kafka.Kafka", str(self.folder / "server.properties"), log=log, guard=self._guard
            )
        self._changed_to(Process.of(self._child.pid))

    def ready(self) -> bool:
        """Whether the broker answers now, and the coordinators are chosen."""
        return self.alive() and probe.ready(self.state.port, frozenset({self.state.node_id}))

    def wait_ready(self, expected: frozenset[int], seconds: float = READY_SECONDS) -> None:
        """Wait until the broker answers, sees the expected nodes, and the coordinators are chosen.

        Raises EmbeddedKafkaError, with the last lines of the log, when it ends or is not ready in time.
        """
        deadline = time.monotonic() + seconds
        while not probe.ready(self.state.port, expected):
            if not self.alive():
                raise self._failed("ended while starting")
            if time.monotonic() >= deadline:
                raise self._failed(f"was not ready within {seconds:.0f} s")
            time.sleep(POLL_SECONDS)

    def start(self) -> None:
        """Launch and wait until the node serves. In a cluster a majority must be alive. Raises EmbeddedKafkaError."""
        self.launch()
        self.wait_ready(frozenset({self.state.node_id}))

    def kill(self) -> None:
        """End the process with SIGKILL, as a crash of the machine would; returns when it is gone."""
        self._end(signal.SIGKILL, KILL_SECONDS)

    def stop(self) -> None:
        """End the process in order, or with SIGKILL when that takes too long; returns when it is gone."""
        self.ask_to_stop()
        self.wait_stopped(STOP_SECONDS)

    def ask_to_stop(self) -> None:
        """Send SIGTERM, to a paused process too."""
        self._send(signal.SIGTERM)
        self._send(signal.SIGCONT)

    def wait_stopped(self, seconds: float) -> None:
        """Wait so long after `ask_to_stop`, then kill."""
        if self.state.process is not None and not self.state.process.gone(seconds):
            self.kill()
        self._reap()

    def pause(self) -> None:
        """Freeze the process with SIGSTOP: its connections stay open and nothing answers."""
        self._send(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a frozen process go on."""
        self._send(signal.SIGCONT)

    def _send(self, number: signal.Signals) -> None:
        if self.state.process is not None:
            self.state.process.send(number)

    def _end(self, number: signal.Signals, seconds: float) -> None:
        self._send(number)
        if self.state.process is not None and not self.state.process.gone(seconds):
            raise self._failed(f"did not end within {seconds:.0f} s")
        self._reap()

    def _reap(self) -> None:
        if self._child is not None:
            self._child.wait(KILL_SECONDS)
            self._child = None

    def _changed_to(self, process: Process | None) -> None:
        self.state = NodeState(self.state.node_id, self.state.port, self.state.controller_port, process)
        self._changed(self.state)

    def _failed(self, what: str) -> EmbeddedKafkaError:
        tail: deque[str] = deque(maxlen=LOG_LINES_SHOWN)
        with suppress(OSError), self.log.open(encoding="utf-8", errors="replace") as log:
            tail.extend(log)
        return EmbeddedKafkaError(f"Kafka node {self.state.node_id} {what}; {self.log} ends with:\n{''.join(tail)}".rstrip())
