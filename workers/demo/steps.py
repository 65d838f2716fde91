"""The demonstration, step by step: broker and model up, samples in, worker on, events out, everything off, gold opened."""

import asyncio
import os
import secrets
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live

from topics.connection import Connection
from workers.demo import broker, folder
from workers.demo.judgement import Run, Worked, judged
from workers.demo.plan import Part, plan
from workers.demo.services import Service, kafka_service, keep_advice, model_service, stopped_at_the_end
from workers.demo.show import progress_line, progress_table
from workers.demo.tally import Tally
from workers.demo.worker_metrics import read_metrics
from workers.demo.worker_process import Orders, WorkerProcess
from workers.demo.worker_settings import environment, for_run, with_own_broker, with_own_model
from workers.modelserver.options import Kind, ModelOptions
from workers.setting_sections import Settings
from workers.taskfiles import LoadedTask
from workers.wiring.kafka import connection_of

STALL_SECONDS = 60.0
_LINE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Wish:
    """What to demonstrate. `own_broker` and `own_model`: start the embedded ones instead of using those of the settings."""

    tasks: Sequence[LoadedTask]
    settings: Settings
    own_broker: bool
    own_model: bool
    data: Path
    messages: int | None = None
    labeller: Kind = Kind.CLASSIFIER
    seed: int = 0
    keep: bool = False


@dataclass(slots=True)
class House:
    """What the steps share: who is told, what was sent and seen, and what each step took, in seconds."""

    wish: Wish
    console: Console
    run: str
    parts: Sequence[Part]
    folder: Path
    tally: Tally = field(default_factory=Tally)
    seconds: dict[str, float] = field(default_factory=dict)
    kept: Sequence[str] = ()

    def say(self, line: str) -> None:
        self.console.print(line, markup=False, highlight=False)

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        began = time.monotonic()
        try:
            yield
        finally:
            self.seconds[step] = time.monotonic() - began


async def demonstrate(wish: Wish, console: Console) -> Run:
    """Run it and return what there is to show. Raises UserError, EmbeddedKafkaError or topics.errors.LogError."""
    run = secrets.token_hex(3)
    parts = plan(wish.tasks, run, wish.messages)
    with folder.made_anew(wish.data) as files:
        house = House(wish, console, run, parts, files)
        with house.timed("all"):
            settings, worked = await _on_and_off(house)
        # Worker and model have ended (or were never ours): only now are gold labels opened.
        return judged(parts, house.tally, worked, settings, _facts(house))


async def _on_and_off(house: House) -> tuple[Settings, Worked]:
    wish = house.wish
    # Worker and local model read these copies, beside which there is no gold file.
    tasks = folder.write_tasks(house.folder, house.parts)
    async with AsyncExitStack() as stack:
        settings = await _services(house, stack, tasks)
        connection = connection_of(settings.kafka)
        orders = Orders(
            tasks,
            folder.write_settings(house.folder, for_run(settings, house.run)),
            environment(os.environ, own_broker=wish.own_broker, own_model=wish.own_model),
            house.folder / "worker.log",
        )
        async with broker.reading(connection, house.parts, house.tally) as reader:
            return settings, await _work(house, orders, reader)


async def _services(house: House, stack: AsyncExitStack, tasks: Sequence[Path]) -> Settings:
    """Start what is ours, side by side, with the samples sent as soon as the broker serves; return the settings to use."""
    wish, settings = house.wish, house.wish.settings
    kafka_up: Service | None = None
    model_up: Service | None = None
    kafka = model = None
    if wish.own_broker:
        name = f"demo-{house.run}" if wish.keep else "demo"
        kafka, kafka_up = kafka_service(wish.data, name, keep=wish.keep, say=house.say)
        await stack.enter_async_context(stopped_at_the_end(kafka_up, keep=wish.keep))
    if wish.own_model:
        model, model_up = model_service(
            ModelOptions(wish.labeller, tuple(map(str, tasks)), wish.data, seed=wish.seed), keep=wish.keep
        )
        await stack.enter_async_context(stopped_at_the_end(model_up, keep=wish.keep))
        settings = with_own_model(settings, model.base_url, model.model)
        house.say(f"Starting the local model ({wish.labeller}) ...")

    async def broker_and_samples() -> None:
        if kafka_up is not None:
            await kafka_up.up()
            house.seconds["kafka"] = kafka_up.seconds
        used = with_own_broker(settings, kafka.bootstrap) if kafka is not None else settings
        connection = connection_of(used.kafka)
        with house.timed("samples"):
            await stack.enter_async_context(_topics(connection, house))
            await broker.send(connection, house.parts, house.tally)
        house.say(f"Kafka serves at {used.kafka.brokers}; {len(house.tally.sent):,} messages are in {len(house.parts)} topics.")

    async def labelling() -> None:
        if model_up is not None and model is not None:
            await model_up.up()
            house.seconds["model"] = model_up.seconds
            house.say(f"The model serves at {model.base_url}.")

    async with asyncio.TaskGroup() as group:
        group.create_task(labelling())
        group.create_task(broker_and_samples())
    if wish.keep:
        house.kept = keep_advice(kafka, model, wish.data)
    return with_own_broker(settings, kafka.bootstrap) if kafka is not None else settings


@asynccontextmanager
async def _topics(connection: Connection, house: House) -> AsyncIterator[None]:
    """Make the run's topics; on somebody's own broker they are deleted at the end, unless they are to be kept."""
    await broker.make_topics(connection, house.parts)
    try:
        yield
    finally:
        if not house.wish.own_broker and not house.wish.keep:
            await broker.delete_topics(connection, house.parts)


async def _work(house: House, orders: Orders, reader: broker.Reading) -> Worked:
    with house.timed("worker"):
        worker = await WorkerProcess.started(orders)
    started = time.time() * 1000
    try:
        house.say("The worker is on.")
        with house.timed("triage"):
            await _until_done(house, worker, reader)
        use = read_metrics(await worker.metrics())
    except BaseException:
        await worker.kill()
        raise
    with house.timed("stop"):
        code = await worker.stop()
    return Worked(started, use, code, await reader.to_the_end())


async def _until_done(house: House, worker: WorkerProcess, reader: broker.Reading) -> None:
    """Read events until every input has one, or nothing has moved for a minute. Raises UserError when the worker ends."""
    tally = house.tally
    began = moved = said = time.monotonic()
    seen = 0
    drawn = house.console.is_terminal
    with Live(console=house.console, refresh_per_second=4, transient=True, auto_refresh=drawn) as live:
        while not tally.complete:
            await reader.some()
            worker.check()
            now = time.monotonic()
            if tally.events > seen:
                seen, moved = tally.events, now
            if drawn:
                live.update(progress_table(tally, now - began))
            elif now - said >= _LINE_SECONDS:
                said = now
                house.say(progress_line(tally, now - began))
            if now - moved > STALL_SECONDS:
                reasons = "; ".join(await worker.unready_because()) or "it says that it is ready"
                house.say(f"Nothing has moved for {STALL_SECONDS:g} s, so the demo ends here. The worker: {reasons}.")
                return


def _facts(house: House) -> Mapping[str, Any]:
    wish = house.wish
    return {
        "run": house.run,
        "seed": wish.seed,
        "labeller": wish.labeller.value if wish.own_model else None,
        "seconds": {step: round(taken, 2) for step, taken in house.seconds.items()},
        "embedded_kafka": wish.own_broker,
        "local_model": wish.own_model,
        "kept": list(house.kept),
    }
