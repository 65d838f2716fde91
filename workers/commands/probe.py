"""`nanotriage probe`: messages with known answers through the real pipeline, end to end."""

import asyncio
import secrets
import time
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from workers.commands.progress import progress
from workers.commands.settings import BrokersOption, ConfigOption, JsonOption, SetOption, TaskOption, settings_of
from workers.commands.table import print_json, print_table
from workers.exits import Exit, UserError
from workers.health import HealthServer, Heartbeat, Readiness
from workers.lifecycle import stop_on_signals
from workers.logs import bind, configure
from workers.metrics.probe_metrics import ProbeMetrics
from workers.prober import Plan, Prober
from workers.probing.book import Outcome, Result
from workers.probing.items import items_of
from workers.setting_sections import Settings
from workers.taskfiles import load_task
from workers.wiring.kafka import connection_of
from workers.wiring.lines import marks_of

_LOG = bind("nanotriage.probe")


def probe(
    file: Annotated[Path, typer.Argument(help='JSON Lines: {"text": ..., "expect": {field: label, or null for unknown}}.')],
    task: TaskOption,
    every: Annotated[float, typer.Option(min=0.1, help="Seconds between two probes; each costs a message.")] = 30.0,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds after which a probe without an event is missing.")] = 120.0,
    brokers: BrokersOption = None,
    config: ConfigOption = None,
    assignments: SetOption = None,
    *,
    once: Annotated[
        bool, typer.Option("--once", help="Probe every partition once, and exit with 1 unless all are right.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Send messages with known answers to each partition in turn, and judge their events, until told to stop.

    Serves `/probes` (JSON) and `/metrics` (Prometheus) on `health.port`. The answers are never sent. Needs `probe.mark_key`.
    """
    settings = settings_of(brokers, config, assignments)
    plan = plan_of(file, task, every, timeout, settings)
    if not once:
        configure(settings.logs.format, settings.logs.level)
        asyncio.run(_serve(plan, settings))
        return
    results: list[Result] = []
    with progress("probing") as bar:

        def told(result: Result) -> None:
            results.append(result)
            bar.advance(bar.task_ids[0])

        prober = Prober(plan, _name(), time.monotonic, told, lambda _waiting: None)
        asyncio.run(prober.once(connection_of(settings.kafka)))
    rows = [row_of(result) for result in sorted(results, key=lambda result: result.sent.place)]
    if as_json:
        print_json(rows)
    else:
        print_table(
            ("PARTITION", "OUTCOME", "SECONDS", "WRONG"),
            [(r["partition"], r["outcome"], f"{r['seconds']:.2f}", ", ".join(r["wrong"])) for r in rows],
        )
    if not all(result.good for result in results):
        raise typer.Exit(Exit.FAILED)


def plan_of(file: Path, task: str, every: float, timeout: float, settings: Settings) -> Plan:
    """Return what is to be probed. Raises UserError for a file that is none, and without a key."""
    wanted, marks = load_task(task, import_user_code=False).task, marks_of(settings)
    if marks is None:
        raise UserError(
            "probes are marked with a key: set NANOTRIAGE_PROBE__MARK_KEY here and for the workers, the same for all"
        )
    try:
        lines = file.read_bytes().splitlines()
    except OSError as error:
        raise UserError(f"{file} cannot be read ({error.strerror}): name another file") from None
    return Plan(wanted, items_of(lines, str(file), wanted), marks, every, timeout)


class Board:
    """The last result of each partition, as metrics, as JSON, and as a log line when it is not right."""

    def __init__(self, task: str) -> None:
        self.metrics, self._task = ProbeMetrics(), task
        self._last: dict[str, dict[str, Any]] = {}
        for outcome in Outcome:
            self.metrics.probes.labels(task, outcome)

    def told(self, result: Result) -> None:
        place, row = result.sent.place, row_of(result)
        self._last[str(place)] = row
        self.metrics.probes.labels(self._task, result.outcome).inc()
        self.metrics.probe_silent.labels(place.topic, str(place.number)).set(result.outcome is Outcome.MISSING)
        if result.outcome is not Outcome.MISSING:
            self.metrics.probe_seconds.labels(self._task).observe(result.seconds)
        if not result.good:
            _LOG.warning("probe", task=self._task, **row)

    def waits(self, waiting: int) -> None:
        self.metrics.probes_waiting.labels(self._task).set(waiting)

    def page(self) -> bytes:
        return orjson.dumps([self._last[place] for place in sorted(self._last)])


def row_of(result: Result) -> dict[str, Any]:
    """Return a result as it is told; no text."""
    return {
        "partition": str(result.sent.place),
        "outcome": result.outcome.value,
        "seconds": round(result.seconds, 3),
        "wrong": list(result.wrong),
    }


async def _serve(plan: Plan, settings: Settings) -> None:
    stop, board, readiness = asyncio.Event(), Board(plan.task.name), Readiness()
    readiness.clear("starting")
    last = time.monotonic()

    def waits(waiting: int) -> None:
        nonlocal last
        last = time.monotonic()
        board.waits(waiting)

    health = HealthServer(readiness, Heartbeat(time.monotonic, lambda: last), board.metrics.exposition, {"/probes": board.page})
    with stop_on_signals(stop):
        port = None if settings.health.port is None else await health.start(settings.health.host, settings.health.port)
        _LOG.info("started", task=plan.task.name, items=len(plan.items), port=port)
        try:
            await Prober(plan, _name(), time.monotonic, board.told, waits).run(connection_of(settings.kafka), stop)
        finally:
            await health.stop()


def _name() -> str:
    return secrets.token_hex(6)
