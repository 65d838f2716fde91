"""A worker's life: start from the back (model, then topics, then the group), stop from the front, one deadline.

Whatever is missing at start is waited for, `patience_seconds` long, and said once; what only an operator can mend ends the
start with one sentence. SIGTERM or SIGINT drains; a second one ends at once, which loses nothing: what was not committed
is read again.
"""

import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from functools import partial
from typing import TypeVar

from schemas.calibration import Calibration
from schemas.task import Task
from topics.errors import LogError, LogUnavailable
from topics.log import Log
from workers.asking.capabilities import NOTHING_KNOWN, Capabilities
from workers.asking.model import Broken, Model, Refused, TryAgain
from workers.asking.model_card import ModelCard, no_card
from workers.asking.route import Route, open_route
from workers.auditing.following import Findings
from workers.controlling.following import LOOK_SECONDS, Controls
from workers.exits import Exit, UserError
from workers.health import HealthServer, Heartbeat, Readiness
from workers.line import Line
from workers.logs import bind
from workers.metrics import Metrics
from workers.model_facts import tell_of_capabilities, tell_of_shutdown
from workers.pipeline import Pipeline
from workers.setting_sections import Settings
from workers.taskfiles import LoadedTask
from workers.watch import Watch
from workers.wiring.controls import build_controls
from workers.wiring.kafka import build_recall, build_source, require_topics, stream_name
from workers.wiring.lines import Shared, build_line, build_pipeline, build_slots
from workers.wiring.model import build_limiter, dialect_of, room_of, secure_draw, wishes_of
from workers.wiring.promises import build_findings

T = TypeVar("T")
_LOG = bind("nanotriage.worker")
_RETRY_SECONDS = 1.0
_LEAVE_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Worker:
    """What a worker is made of, from outside."""

    settings: Settings
    tasks: Sequence[LoadedTask]
    log: Log
    model: Model
    version: str
    patience_seconds: float = 60.0
    calibrations: Mapping[str, Calibration] = field(default_factory=dict)  # by task; a promise without one escalates all
    look_seconds: float = 2.0  # between two looks at the findings, and at most at the controls
    card: Callable[[str], Awaitable[ModelCard]] = no_card  # what the endpoint tells of a model by its name


class ModelUnavailableError(Exception):
    """The model cannot be asked now; the start waits for it."""


class StoppedEarlyError(Exception):
    """Told to stop before the start was over."""


async def run_worker(worker: Worker, stop: asyncio.Event, started: Callable[[int | None], None] = lambda _port: None) -> None:
    """Work until `stop` is set. `started` is told the health port once everything is in place.

    Raises UserError (model), topics.errors.LogError (broker), each with one sentence, when the start fails.
    """
    metrics = Metrics(worker.version)
    metrics.watch_process()
    readiness = Readiness(lambda ready: metrics.ready.set(float(ready)))
    watch = Watch(metrics, [loaded.task.name for loaded in worker.tasks], worker.settings.model.price(), readiness)
    running: list[Pipeline] = []
    heartbeat = Heartbeat(time.monotonic, lambda: running[0].last_poll if running else None)
    metrics.tasks.set_function(lambda: len(asyncio.all_tasks()))
    health = HealthServer(readiness, heartbeat, metrics.exposition)
    wanted = worker.settings.health
    port = None if wanted.port is None else await health.start(wanted.host, wanted.port)
    try:
        parts = await _start(worker, watch, metrics, stop)
        running.append(parts.pipeline)
        readiness.clear("starting")
        started(port)
        _LOG.info("started", tasks=", ".join(loaded.task.name for loaded in worker.tasks), health_port=port)
        async with _beside(parts.findings.follow(watch.promises.troubled), stop), _controlled(parts, watch, stop):
            await parts.pipeline.run(stop, worker.settings.stop_seconds)
        _LOG.info("stopped")
    except StoppedEarlyError:
        _LOG.info("stopped", before="the start was over")
    finally:
        await worker.model.close()
        await worker.log.close()
        await health.stop()


def _today() -> date:
    return datetime.now(UTC).date()


@contextlib.asynccontextmanager
async def _beside(work: Coroutine[object, object, None], stop: asyncio.Event) -> AsyncIterator[None]:
    """Have this done meanwhile. If it fails, `stop` is set, and the failure is raised at the end."""
    task = asyncio.ensure_future(work)
    task.add_done_callback(lambda ended: stop.set() if not ended.cancelled() and ended.exception() else None)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@contextlib.asynccontextmanager
async def _controlled(parts: "_Parts", watch: Watch, stop: asyncio.Event) -> AsyncIterator[None]:
    """Have controls followed meanwhile, and say at the end that this worker runs none any more."""
    controls = parts.controls
    if controls is None:
        yield
        return
    async with _beside(controls.follow(watch.controls.troubled, parts.pipeline.polled), stop):
        yield
    with contextlib.suppress(LogError, TimeoutError):
        async with asyncio.timeout(_LEAVE_SECONDS):
            await controls.leave()


@contextlib.contextmanager
def stop_on_signals(stop: asyncio.Event) -> Iterator[None]:
    """Set `stop` at the first SIGTERM or SIGINT; the second one ends the process at once."""
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGTERM, signal.SIGINT)

    def stopping(number: signal.Signals) -> None:
        if stop.is_set():
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        _LOG.info("stopping", signal=number.name, next="a second signal ends at once and loses nothing")
        stop.set()

    for number in numbers:
        loop.add_signal_handler(number, stopping, number)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


@dataclass(frozen=True, slots=True)
class _Parts:
    """What a start makes: the pipeline, and what is done beside it."""

    pipeline: Pipeline
    findings: Findings
    controls: Controls | None


async def _start(worker: Worker, watch: Watch, metrics: Metrics, stop: asyncio.Event) -> _Parts:
    settings, tasks = worker.settings, [loaded.task for loaded in worker.tasks]
    stream = stream_name(await _patiently(worker.log.cluster_id, worker, stop), settings)
    await _patiently(lambda: require_topics(worker.log, tasks, settings), worker, stop)
    routes, known, model = [], NOTHING_KNOWN, settings.model
    for task in tasks:
        routes.append(await _patiently(partial(_open, worker, task, known), worker, stop))
        known = routes[-1].capabilities
    tell_of_capabilities(model.name, known, metrics)
    card = await worker.card(model.name)
    tell_of_shutdown(model.name, card, metrics, _today)
    lines: dict[str, Line] = {}
    shared = Shared(build_limiter(settings), build_slots(settings, tasks), room_of(model, card))
    for loaded, route in zip(worker.tasks, routes, strict=True):
        calibration = worker.calibrations.get(loaded.task.name)
        line = build_line(loaded, route, settings, stream, shared=shared, calibration=calibration)
        lines[loaded.task.source.topic] = replace(line, recall=build_recall(loaded.task, worker.log))
    findings = build_findings(worker.log, list(lines.values()), watch, worker.look_seconds)
    await _patiently(findings.catch_up, worker, stop)  # before any label goes out: an alarm may stand
    looks = min(worker.look_seconds, LOOK_SECONDS)
    controls = build_controls(worker.log, list(lines.values()), settings, watch, look_seconds=looks)
    if controls is not None:
        await _patiently(controls.catch_up, worker, stop)  # before the first message is read: its task may be paused
    return _Parts(build_pipeline(build_source(worker.log, tasks, settings, watch), lines, watch), findings, controls)


async def _open(worker: Worker, task: Task, known: Capabilities) -> Route:
    """Settle the task's route by asking. Raises ModelUnavailableError, or UserError for what only an operator can mend."""
    model = worker.settings.model
    route = await open_route(worker.model, task, dialect_of(model), wishes_of(model), secure_draw, known)
    match route:
        case Route(backend=backend):
            _LOG.info("route", task=task.name, model=backend.model, signal=backend.signal.value)
            return route
        case TryAgain(why=why) | Refused(why=why) | Broken(why=why):  # the last two: a gateway in trouble, or a mood
            raise ModelUnavailableError(f"the model at {model.base_url} cannot be asked: {why}")
        case fault:
            raise UserError(f"the model at {model.base_url} cannot be used: {fault.why}", Exit.MODEL)


async def _patiently(action: Callable[[], Awaitable[T]], worker: Worker, stop: asyncio.Event) -> T:
    """Do it again while what it needs is not there, up to the worker's patience; say so once."""
    deadline = time.monotonic() + worker.patience_seconds
    said = False
    while True:
        try:
            return await action()
        except (LogUnavailable, ModelUnavailableError) as error:
            if time.monotonic() >= deadline:
                code = Exit.BROKER if isinstance(error, LogUnavailable) else Exit.MODEL
                raise UserError(f"{error}; gave up after {worker.patience_seconds:g} s", code) from None
            if not said:
                _LOG.warning("waiting", why=str(error), patience_seconds=worker.patience_seconds)
            said = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_RETRY_SECONDS):
                await stop.wait()
        if stop.is_set():
            raise StoppedEarlyError
