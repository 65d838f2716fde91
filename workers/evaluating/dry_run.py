"""A dry run: the real worker, stages and all, over the log in memory. Only Kafka is missing.

Inputs go in without their gold labels, which this module cannot see; events come out as they would be published.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from schemas.calibration import Calibration
from topics.memory import MemoryCluster
from topics.record import Partition
from workers.asking.model import Model
from workers.asking.model_card import ModelCard, no_card
from workers.evaluating.inputs import Input
from workers.evaluating.metered import Meter, MeteredModel
from workers.evaluating.outcome import Event, Origin, Outcome, outcome, read_event
from workers.exits import Exit, UserError
from workers.lifecycle import Worker, run_worker
from workers.setting_sections import Settings
from workers.taskfiles import LoadedTask

_PARTITIONS = 4
_LOOK_SECONDS = 0.05
_PATIENT_SECONDS = 3.0  # without an outcome, until the reason is told
_SIZE = 1024


@dataclass(frozen=True, slots=True)
class DryRun:
    """What to run. Settings must have no health port: nobody asks. `came` is told of every outcome, however the run ends."""

    loaded: LoadedTask
    inputs: Sequence[Input]
    settings: Settings
    model: Model
    version: str
    stall_seconds: float = 60.0
    calibration: Calibration | None = None
    card: Callable[[str], Awaitable[ModelCard]] = no_card
    came: Callable[[Sequence[Outcome]], object] = len


async def dry_run(wanted: DryRun, meter: Meter, progress: Callable[[int, str | None], None]) -> Sequence[Outcome]:
    """Return one outcome per input, in no order. `progress` is told how many there are, and why nothing more comes, if so.

    Raises UserError when the model refuses us, or nothing came out for `stall_seconds`.
    """
    loaded = _unaudited(wanted.loaded)
    cluster = MemoryCluster(name="evaluation", now_ms=lambda: int(time.time() * 1000))
    ids = _fill(cluster, wanted)
    outcomes: list[Outcome] = []

    def came(events: Sequence[Event]) -> None:
        outcomes.extend(new := [outcome(event, ids[event.origin]) for event in events])
        wanted.came(new)

    reader = _Reader(cluster, sorted(wanted.loaded.task.routes.topics()), came)
    worker = Worker(
        _alone(wanted.settings),
        [loaded],
        cluster.log(),
        MeteredModel(wanted.model, meter),
        wanted.version,
        wanted.stall_seconds,
        {} if wanted.calibration is None else {wanted.loaded.task.name: wanted.calibration},
        card=wanted.card,
    )
    stop = asyncio.Event()
    running = asyncio.ensure_future(run_worker(worker, stop))
    try:
        await _until_done(running, reader, len(ids), wanted.stall_seconds, meter, progress)
    finally:
        stop.set()
        await asyncio.wait([running])
        reader.read()
    running.result()
    return outcomes


def _unaudited(loaded: LoadedTask) -> LoadedTask:
    """Return the task without its audits: what is measured must not change while it is measured."""
    routes = loaded.task.routes.model_copy(update={"audit": None, "findings": None})
    return replace(loaded, task=loaded.task.model_copy(update={"routes": routes}))


def _alone(settings: Settings) -> Settings:
    """Return the settings without topics that only a fleet has: nobody steers a dry run or counts its commits."""
    controls = settings.controls.model_copy(update={"topic": None})
    delivery = settings.delivery.model_copy(update={"summary_topic": None})
    return settings.model_copy(update={"controls": controls, "delivery": delivery})


def _fill(cluster: MemoryCluster, wanted: DryRun) -> Mapping[Origin, str | None]:
    task = wanted.loaded.task
    cluster.create(task.source.topic, _PARTITIONS)
    for topic in task.routes.topics():
        cluster.create(topic, 1)
    if task.context is not None:
        cluster.create(task.context.topic, _PARTITIONS)  # empty: nothing was said before a message of a sample
    ids = {}
    for each in wanted.inputs:
        record = cluster.produce(task.source.topic, each.key, each.value, timestamp_ms=cluster.now_ms())
        ids[Origin(record.partition.topic, record.partition.number, record.offset)] = each.message_id
    return ids


class _Reader:
    """Reads on from where it was."""

    def __init__(self, cluster: MemoryCluster, topics: Sequence[str], came: Callable[[Sequence[Event]], None]) -> None:
        self._cluster = cluster
        self._came = came
        self._offsets: dict[Partition, int] = {p: 0 for topic in topics for p in cluster.partitions(topic)}
        self.count = 0

    def read(self) -> None:
        for partition, offset in self._offsets.items():
            records, self._offsets[partition] = self._cluster.partition_log(partition).read(offset, _SIZE)
            found = (read_event(record.headers, record.value) for record in records)
            events = [event for event in found if event is not None]
            self.count += len(events)
            self._came(events)


async def _until_done(
    running: "asyncio.Future[None]",
    reader: _Reader,
    wanted: int,
    stall_seconds: float,
    meter: Meter,
    progress: Callable[[int, str | None], None],
) -> None:
    moved, seen = time.monotonic(), 0
    while not running.done():
        await asyncio.wait([running], timeout=_LOOK_SECONDS)
        reader.read()
        if reader.count > seen:
            moved, seen = time.monotonic(), reader.count
            progress(seen, None)
        elif time.monotonic() - moved > _PATIENT_SECONDS and meter.trouble is not None:
            progress(seen, meter.trouble)
        if seen >= wanted:
            return
        if meter.barred is not None and seen:
            raise UserError(f"the model stopped answering after {seen} of {wanted} messages: {meter.barred}", Exit.MODEL)
        if time.monotonic() - moved > stall_seconds and not running.done():
            why = meter.trouble or "no call has come back"
            raise UserError(
                f"nothing came out for {stall_seconds:g} s ({seen} of {wanted} messages are done): {why}", Exit.MODEL
            )
