"""The worker as its own process, started as a user would start it: `nanotriage run`."""

import asyncio
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import aiohttp
import orjson

from topics.embedded.runtime import Guard
from workers.exits import Exit, UserError

START_SECONDS = 90.0
STOP_SECONDS = 40.0  # above the worker's own deadline for a graceful stop
_LOOK_SECONDS = 0.05
_HTTP = aiohttp.ClientTimeout(total=5)
_HOME = Path(__file__).resolve().parents[2]

# The console script's entry, by whatever Python runs us, and nothing from the folder we happen to be in (-P).
_ENTRY = """import sys
home = sys.argv.pop(1)
home in sys.path or sys.path.insert(0, home)
from workers.cli import main
sys.exit(main())"""


@dataclass(frozen=True, slots=True)
class Orders:
    """What the worker is told: task files, its settings file, its environment, and where it writes its log."""

    tasks: Sequence[Path]
    settings: Path
    environment: Mapping[str, str]
    log: Path

    def command(self) -> list[str]:
        tasks = [word for task in self.tasks for word in ("--task", str(task))]
        ours = ["--config", str(self.settings), "--health-port", "0", "--patience", str(START_SECONDS / 2)]
        return [sys.executable, "-P", "-c", _ENTRY, str(_HOME), "run", *tasks, *ours]


class WorkerProcess:
    """A running worker. It ends with this process, however this process ends."""

    def __init__(self, orders: Orders) -> None:
        self._orders = orders
        self._port = 0
        with orders.log.open("wb") as log:
            # The guard reads from the pipe on stdin, whose other end is ours; the kernel closes it when we are gone.
            self._child = subprocess.Popen(  # noqa: S603  # our own command
                [*Guard(sys.executable, 0).command, *orders.command()],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=dict(orders.environment),
                start_new_session=True,
            )

    @classmethod
    async def started(cls, orders: Orders) -> Self:
        """Start it, and return when it works. Raises UserError with the worker's own words when it ends instead."""
        self = cls(orders)
        try:
            async with asyncio.timeout(START_SECONDS):
                while not (port := health_port(orders.log.read_bytes())):  # a log tells nobody
                    self.check()
                    await asyncio.sleep(_LOOK_SECONDS)
        except TimeoutError:
            await self.kill()
            raise UserError(f"the worker did not start within {START_SECONDS:g} s; see {orders.log}", Exit.FAILED) from None
        except BaseException:
            await self.kill()
            raise
        self._port = port
        return self

    def check(self) -> None:
        """Raise UserError, with the worker's own words, when it has ended."""
        if (code := self._child.poll()) is not None:
            said = last_words(self._orders.log.read_bytes())
            known = Exit(code) if code in set(Exit) and code != Exit.OK else Exit.FAILED
            raise UserError(f"the worker ended with exit code {code}: {said} (its log: {self._orders.log})", known)

    async def metrics(self) -> str:
        """Return what /metrics says now."""
        async with aiohttp.ClientSession(timeout=_HTTP) as session, session.get(self._url("metrics")) as answer:
            return await answer.text()

    async def unready_because(self) -> list[str]:
        """Return the reasons /ready gives, or that it does not answer."""
        try:
            async with aiohttp.ClientSession(timeout=_HTTP) as session, session.get(self._url("ready")) as answer:
                return [str(reason) for reason in (await answer.json())["reasons"]]
        except (aiohttp.ClientError, TimeoutError):
            return ["its /ready does not answer"]

    async def kill(self) -> None:
        """End it at once. That loses nothing, but a stop would finish what it holds, which nobody waits for."""
        self._child.kill()
        await self.stop()

    async def stop(self) -> int:
        """Ask it to stop, kill it if it takes too long, and return its exit code (negative for a signal)."""
        if self._child.poll() is None:
            self._child.terminate()
            try:
                async with asyncio.timeout(STOP_SECONDS):
                    while self._child.poll() is None:  # noqa: ASYNC110  # a child of Popen has no event
                        await asyncio.sleep(_LOOK_SECONDS)
            except TimeoutError:
                self._child.kill()
        code = await asyncio.to_thread(self._child.wait)
        if self._child.stdin is not None:
            self._child.stdin.close()
        return code

    def _url(self, page: str) -> str:
        return f"http://127.0.0.1:{self._port}/{page}"


def health_port(log: bytes) -> int | None:
    """Return the port that the worker's log names once everything is in place."""
    for line in log.splitlines():
        if b'"started"' in line and (entry := _entry(line)).get("event") == "started":
            return int(entry["health_port"])
    return None


def last_words(log: bytes) -> str:
    """Return the last thing said in a log that a person can use: the error's sentence, or its last line."""
    lines = [line.decode("utf-8", "replace").strip() for line in log.splitlines() if line.strip()]
    errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    return (errors or lines or ["it said nothing"])[-1]


def _entry(line: bytes) -> dict[str, str]:
    try:
        entry = orjson.loads(line)
    except orjson.JSONDecodeError:
        return {}
    return entry if isinstance(entry, dict) else {}
