"""Broker and model of the demonstration: the embedded ones, started side by side, or the user's own."""

import asyncio
import os
import signal
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from topics.embedded import EmbeddedKafka
from topics.embedded.ports import free_ports
from topics.embedded.process import Process
from workers.exits import UserError
from workers.modelserver.local_model import LocalModel
from workers.modelserver.options import Kind, ModelOptions

T = TypeVar("T")
_LET_GO_SECONDS = 15.0
_ELSEWHERE = 200
Say = Callable[[str], None]


async def in_thread(function: Callable[[], T]) -> T:
    """Run what blocks in a thread that does not keep this process alive."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[T] = loop.create_future()

    def tell(settle: Callable[[], None]) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits
            loop.call_soon_threadsafe(lambda: None if ended.done() else settle())

    def work() -> None:
        try:
            result = function()
        except BaseException as error:  # noqa: BLE001  # handed to whoever waits
            failure = error
            tell(lambda: ended.set_exception(failure))
        else:
            tell(lambda: ended.set_result(result))

    threading.Thread(target=work, daemon=True).start()
    return await ended


@dataclass(slots=True)
class Service:
    """Something that starts and stops by blocking calls, one at a time. `seconds` is what starting took.

    `processes` returns those it has now, also while it starts: with them killed, a start that nobody wants any more ends.
    """

    start: Callable[[], None]
    stop: Callable[[], None]
    processes: Callable[[], Sequence[Process | None]]
    seconds: float = 0.0
    _running: "asyncio.Future[None] | None" = field(default=None, init=False)

    async def up(self) -> None:
        began = time.monotonic()
        self._running = asyncio.ensure_future(in_thread(self.start))
        await asyncio.shield(self._running)
        self.seconds = time.monotonic() - began

    async def down(self) -> None:
        """Stop it. If its start hangs it is left to its watchdog, which ends it together with this process."""
        if self._running is None:
            return
        if not self._running.done():
            for process in self.processes():
                if process is not None:
                    process.send(signal.SIGKILL)
        await asyncio.wait([self._running], timeout=_LET_GO_SECONDS)
        if self._running.done():
            self._running.exception()
            await in_thread(self.stop)
            self._running = None


def kafka_service(data: Path, name: str, *, keep: bool, say: Say) -> tuple[EmbeddedKafka, Service]:
    """Return a Kafka with nothing on it. Its data are deleted when it stops."""
    kafka = EmbeddedKafka.in_data(data, 1, name)

    def start() -> None:
        kafka.destroy()  # what a run left that was killed
        kafka.start(lambda line: say(f"{line} ..."), detached=keep)

    return kafka, Service(start, kafka.destroy, lambda: [node.state.process for node in kafka.nodes])


def model_service(options: ModelOptions, *, keep: bool) -> tuple[LocalModel, Service]:
    # Kafka looks for its ports at the same time, from the place of our process id on: look far from there.
    model = LocalModel(replace(options, port=free_ports(1, seed=os.getpid() + _ELSEWHERE)[0]))
    return model, Service(lambda: model.start(detached=keep), model.stop, lambda: [model.process])


@asynccontextmanager
async def stopped_at_the_end(service: Service | None, *, keep: bool) -> AsyncIterator[None]:
    """Stop the service whatever happens; one to be kept is stopped only when something failed."""
    try:
        yield
    except BaseException:
        if service is not None:
            await service.down()
        raise
    if service is not None and not keep:
        await service.down()


def labeller(name: str) -> Kind:
    """Return the kind of local labeller. Raises UserError for another word."""
    kinds = {kind.value: kind for kind in (Kind.CLASSIFIER, Kind.RANDOM)}
    if name not in kinds:
        raise UserError(f"--labeller is {' or '.join(kinds)}, not {name}")
    return kinds[name]


def keep_advice(kafka: EmbeddedKafka | None, model: LocalModel | None, data: Path) -> list[str]:
    """Return how to use and to stop what was kept."""
    said = []
    if kafka is not None:
        said.append(
            f"Kafka stays at {kafka.bootstrap}: nanotriage kafka down --name {kafka.name} --data {os.fspath(data)} --delete"
        )
    if model is not None and model.process is not None:
        said.append(f"The model stays at {model.base_url}: kill {model.process.pid}")
    return said
