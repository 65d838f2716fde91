"""Following the controls: every worker reads them whole, in no group, and says what it runs.

Beside the work and never in its way: it reads and publishes with clients of its own. What it finds is applied at once, and
acknowledged when the poll that was under way has ended.
"""

from collections.abc import Awaitable, Callable
from functools import partial

from schemas.control import ControlAck
from topics.log import Log
from topics.record import Outgoing, Record
from topics.tail import Tail
from workers.controlling.board import Board
from workers.controlling.topics import ControlTopics

LOOK_SECONDS = 0.5
BEAT_SECONDS = 10.0
"""Between two signs of life. Who gave none for three times as long is gone (`workers.controlling.picture`)."""


class Controls:
    """Of the worker with this name. `changed` is told when another control is run, or refused."""

    def __init__(
        self,
        log: Log,
        topics: ControlTopics,
        worker: str,
        board: Board,
        changed: Callable[[], None],
        clock: Callable[[], float],
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        self._log = log
        self._topics = topics
        self._worker = worker
        self._board = board
        self._changed = changed
        self._clock = clock
        self._look_seconds = look_seconds
        self._tail = Tail(log, [topics.wanted], self._take)
        self._news = True
        self._said_at = float("-inf")

    async def catch_up(self) -> None:
        """Read all that is wanted, and have it done. Raises topics.errors.LogError."""
        await self._tail.catch_up()
        self._changed()

    async def follow(self, troubled: Callable[[str], None], done: Callable[[], Awaitable[None]]) -> None:
        """Do what is wanted and say what is run, for ever; a log that fails is told of once until it works again.

        `done` returns when what was begun before a change has ended: what is acknowledged holds from then on.
        """
        await self._tail.follow(self._look_seconds, partial(self._acknowledge, done), troubled)

    async def leave(self) -> None:
        """Take back what was said: this worker ends. Raises topics.errors.LogError."""
        await self._log.publish([Outgoing(self._topics.acks, self._worker.encode(), None, ())])

    def _take(self, record: Record) -> None:
        if self._board.take(record.key, record.value):
            self._news = True
            self._changed()

    async def _acknowledge(self, done: Callable[[], Awaitable[None]]) -> None:
        now = self._clock()
        if not self._news and now - self._said_at < BEAT_SECONDS:
            return
        try:
            if self._news:
                await done()
            self._news = False
            ack = ControlAck(worker=self._worker, runs=self._board.runs())
            await self._log.publish([Outgoing(self._topics.acks, self._worker.encode(), ack.model_dump_json().encode(), ())])
        except BaseException:
            self._news = True  # nobody knows yet
            raise
        self._said_at = now
