"""/live, /ready and /metrics over HTTP.

Live means that this process can still do its work: the event loop turns (or there would be no answer) and the poll loop has
come round lately. Ready means that nothing named stands in the way. A model outage makes a worker unready, never dead: a
restart would cost its partitions and mend nothing.
"""

import errno
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import orjson
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from workers.exits import Exit, UserError


class Readiness:
    """The named reasons why this worker is not ready. None at all is ready; it starts with `starting`."""

    def __init__(self, changed: Callable[[bool], None] = lambda _ready: None) -> None:
        self._reasons = {"starting"}
        self._notices: dict[str, str] = {}
        self._changed = changed
        changed(False)

    @property
    def reasons(self) -> tuple[str, ...]:
        return tuple(sorted(self._reasons))

    @property
    def notices(self) -> tuple[str, ...]:
        """What somebody should know of a worker that does its work all the same."""
        return tuple(self._notices[about] for about in sorted(self._notices))

    def notice(self, about: str, sentence: str | None) -> None:
        """Say this about something, and nothing else; None says that there is nothing to say any more."""
        self._notices.pop(about, None)
        if sentence is not None:
            self._notices[about] = sentence

    def block(self, reason: str) -> None:
        self._reasons.add(reason)
        self._changed(False)

    def clear(self, reason: str) -> None:
        self._reasons.discard(reason)
        self._changed(not self._reasons)


def live(now: float, last_poll: float | None, limit_seconds: float) -> bool:
    """Return whether the last poll is fresh. Before the first poll (None) a worker lives: readiness tells of its start."""
    return last_poll is None or now - last_poll <= limit_seconds


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The poll loop's pulse: `last_poll` returns the time of its last round on the clock of `now`, in seconds."""

    now: Callable[[], float]
    last_poll: Callable[[], float | None]
    limit_seconds: float = 60

    def beats(self) -> bool:
        return live(self.now(), self.last_poll(), self.limit_seconds)

    def silent_seconds(self) -> float:
        return 0.0 if (last := self.last_poll()) is None else self.now() - last


class HealthServer:
    """Answers on `host:port`; port 0 takes any free one.

    `exposition` returns the metrics as Prometheus text; `pages` are JSON, by path.
    """

    def __init__(
        self,
        readiness: Readiness,
        heartbeat: Heartbeat,
        exposition: Callable[[], bytes],
        pages: Mapping[str, Callable[[], bytes]] = MappingProxyType({}),
    ) -> None:
        self._readiness, self._heartbeat, self._exposition = readiness, heartbeat, exposition
        self._pages = pages
        self._runner: web.AppRunner | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen, and return the port. Raises UserError when the address cannot be had."""
        app = web.Application()
        app.router.add_get("/live", self._live)
        app.router.add_get("/ready", self._ready)
        app.router.add_get("/metrics", self._metrics)
        for path, page in self._pages.items():
            app.router.add_get(path, _page(page))
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, host, port).start()
        except OSError as error:
            await self.stop()
            raise UserError(_no_address(host, port, error), Exit.USAGE) from None
        return int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        """Stop listening. May be called twice, or before `start`."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _live(self, _request: web.Request) -> web.Response:
        if self._heartbeat.beats():
            return _json({"live": True}, 200)
        return _json({"live": False, "poll_silent_seconds": round(self._heartbeat.silent_seconds(), 1)}, 503)

    async def _ready(self, _request: web.Request) -> web.Response:
        reasons = self._readiness.reasons
        body = {"ready": not reasons, "reasons": reasons, "notices": self._readiness.notices}
        return _json(body, 503 if reasons else 200)

    async def _metrics(self, _request: web.Request) -> web.Response:
        return web.Response(body=self._exposition(), headers={"Content-Type": CONTENT_TYPE_LATEST})


def _page(page: Callable[[], bytes]) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(_request: web.Request) -> web.Response:
        return web.Response(body=page(), content_type="application/json")

    return answer


def _json(body: dict[str, object], status: int) -> web.Response:
    return web.Response(body=orjson.dumps(body), status=status, content_type="application/json")


def _no_address(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"health port {port} on {host} is taken: set NANOTRIAGE_HEALTH__PORT to another, to 0 for any free one, or to off"
        )
    why = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
    return f"cannot listen on health address {host}:{port} ({why}): correct NANOTRIAGE_HEALTH__HOST or __PORT"
