"""The operator's desk: reads what is wanted and run, changes a control, and waits until the workers run it.

A change is a comparison and an exchange: the desk opens the one transactional writer of controls, which fences every other
desk and settles its transaction, and only then reads what it changes. So versions never collide, and the last record of a key
is always the newest, which is what compaction keeps. The same transaction adds the change to the topic that keeps them all.
"""

import asyncio
from collections.abc import Callable

from schemas.control import Control, Unreadable
from topics.errors import WriterFenced, WriterLost, missing_topic
from topics.log import Log
from topics.record import Committed, Outgoing, Partition, Position
from topics.tail import Tail
from workers.controlling.picture import Picture, Progress
from workers.controlling.topics import ControlTopics
from workers.exits import Exit, UserError

LOOK_SECONDS = 0.2
Altered = Callable[[Control | None, int], Control]
"""What is wanted from now on, made of what was wanted until now and of its version."""


class Desk:
    """One operator's, for one command. `name` is the transactional id of all desks of these topics."""

    def __init__(self, log: Log, topics: ControlTopics, name: str) -> None:
        self._log = log
        self._topics = topics
        self._name = name
        self.picture = Picture(topics)
        self._tail = Tail(log, topics, self.picture.take)

    async def look(self) -> Picture:
        """Return the picture as of now. Raises topics.errors.LogError."""
        for topic in self._topics:
            if not await self._log.partitions(topic):
                raise missing_topic(topic)
        await self._tail.catch_up()
        return self.picture

    async def change(self, task: str, altered: Altered) -> Control:
        """Publish what is wanted of a task, or of `*`, from now on. Raises LogError, or UserError when it lost a race."""
        writer = self._log.writer(self._name, self._name)
        try:
            await writer.open()
            picture = await self.look()
            before = picture.wanted.get(task)
            control = altered(None if isinstance(before, Unreadable) else before, picture.next_version(task))
            value = control.model_dump_json().encode()
            records = [Outgoing(topic, task.encode(), value, ()) for topic in (self._topics.wanted, self._topics.changes)]
            await writer.commit(records, Committed(Position.restored(Partition(self._topics.wanted, 0), 0), ""))
        except WriterFenced:
            why = "somebody else changed a control at the same time: look at `nanotriage control show`"
            raise UserError(why, Exit.FAILED) from None
        except WriterLost as error:
            why = f"it is not known whether the change was made ({error}): look at `nanotriage control show`"
            raise UserError(why, Exit.BROKER) from None
        finally:
            writer.discard()
        return control

    async def settled(
        self, control: Control, clock: Callable[[], float], wait_seconds: float, told: Callable[[Progress], None]
    ) -> Progress | None:
        """Return how far the control has come once every worker has answered, or after the wait. Raises LogError.

        `told` hears of it at every look. None: the control itself cannot be read yet.
        """
        began = clock()
        async with self._log.reader() as reader:
            while True:
                await self._tail.read(reader)
                elapsed = clock() - began
                progress = self.picture.progress(control, round(1000 * elapsed))
                if progress is not None:
                    told(progress)
                if elapsed >= wait_seconds or (progress is not None and not progress.silent):
                    return progress
                await asyncio.sleep(LOOK_SECONDS)
