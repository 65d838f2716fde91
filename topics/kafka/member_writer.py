"""A lane's writer without transactions: publishes with the process's shared producer, commits as a member of the group."""

import asyncio
from collections.abc import Callable, Sequence

from topics.errors import LogUnavailable, RecordTooLarge, WriterFenced, WriterLost
from topics.kafka.producer import Producer, Producers
from topics.kafka.questions import Questions, Seat
from topics.record import Committed, Outgoing


class Seating:
    """Our seat in the group, as far as we know: none once the coordinator said that it is taken."""

    def __init__(self, present: Callable[[], Seat | None]) -> None:
        self._present = present
        self._lost: Seat | None = None

    def seat(self) -> Seat | None:
        present = self._present()
        return None if present == self._lost else present

    def lost(self, seat: Seat) -> None:
        self._lost = seat


class KafkaMemberWriter:
    """See `topics.log.Writer`: at least once.

    The seat is taken when the writer is opened, so a writer of an earlier generation can never commit. A send in doubt costs
    the shared producer: what is left in it may not follow what is published in its place.
    """

    def __init__(self, producers: Producers, questions: Questions, seating: Seating) -> None:
        self._producers = producers
        self._questions = questions
        self._seating = seating
        self._opened: tuple[Producer, Seat] | None = None

    async def open(self) -> None:
        producer = await self._producers.shared()
        if (seat := self._seating.seat()) is None:
            raise LogUnavailable("we are no member of the group now")
        self._opened = producer, seat

    async def commit(self, outgoing: Sequence[Outgoing], committed: Committed) -> None:
        opened, self._opened = self._opened, None  # after any error this writer is good for nothing
        if opened is None:
            raise WriterLost("the writer is not open")
        producer, seat = opened
        if self._seating.seat() != seat:
            raise WriterFenced("the group has moved on since the writer was opened")
        in_doubt = False
        try:
            async with asyncio.timeout(self._producers.settings.commit_seconds):
                packets = await producer.pack(outgoing)
                in_doubt = True
                await producer.send(packets)
                in_doubt = False
                await self._questions.commit(seat, committed)
        except WriterFenced:
            self._seating.lost(seat)
            raise
        except (RecordTooLarge, WriterLost):
            raise
        except Exception as error:
            raise WriterLost(f"it is not known whether the position was committed: {error!r}") from error
        finally:
            if in_doubt:
                self._producers.drop(producer)
        self._opened = opened

    def discard(self) -> None:
        self._opened = None
