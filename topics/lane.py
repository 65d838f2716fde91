"""A lane: one assigned input partition with its ledger, its writer and its committer.

The lane is the unit of ownership, fencing, order, back-pressure and recovery. Its whole life is one task:

    activate    open the writer (fences every earlier owner and settles its last transaction), then read what is
                committed (only now is it final), then seek
    commit      one burst per commit, in a transaction that is never open while a model is asked; cadence `commit_seconds`
    replace     after any doubt: a new writer in the same place, read back the committed map (this answers "did it
                commit?"), go on with the remainder. Never abort, never retry on the old writer: a delayed EndTxn could
                commit the next transaction (KIP-890)
    close       one last bounded commit; answers still under way are dropped, and another owner will ask again
    quarantine  of a commit map that cannot be read, or a partition that goes on before its own past: nothing is guessed

Exactly once, transactional ids are per input partition because aiokafka has no KIP-447: fencing hangs on the id alone. At
least once, the group's generation fences the commit, and nothing fences the events before it.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import assert_never

from topics.cadence import Cadence
from topics.commit_map import UnknownMap, decode
from topics.errors import LogRefused, LogUnavailable, RecordTooLarge, WriterFenced, WriterLost
from topics.lane_facts import (
    AtLeastOnce,
    CommitResult,
    Committing,
    ExactlyOnce,
    LaneFact,
    LaneRules,
    LaneState,
    StateChange,
)
from topics.ledger import Burst, Ledger
from topics.log import Intake, Log, Writer
from topics.record import Outgoing, Partition, Position, Receipt, Record

Clock = Callable[[], float]


class Lane:
    """See the module's docstring. `run` is its one task; `settle` and `close` are called from outside."""

    def __init__(
        self, log: Log, partition: Partition, *, epoch: int, rules: LaneRules, tell: Callable[[LaneFact], None], clock: Clock
    ) -> None:
        self.partition = partition
        self.epoch = epoch
        self.state = LaneState.ACTIVATING
        self.ledger: Ledger | None = None
        self._log = log
        self._rules = rules
        self._tell = tell
        self._clock = clock
        self._intake: Intake | None = None
        self._writer: Writer | None = None
        self._dirty = asyncio.Event()
        self._closing = asyncio.Event()
        self._cadence = Cadence(rules.commit_seconds, rules.idle_seconds)
        self._draining = False
        self._told: StateChange | None = None
        self._summary_fits = True
        self._rewound: str | None = None

    async def run(self, activating: asyncio.Semaphore, intake: Intake) -> None:
        """Activate, then commit whatever is settled, until closed; then commit once more."""
        self._intake = intake
        try:
            await self._activate(activating, intake.seek)
            while not self._closing.is_set():
                await self._until_due()
                if not self._closing.is_set():
                    await self._commit()
            if self._rewound is None:
                await self._commit_once()
            else:
                self._quarantine(self._rewound)
        finally:
            self._drop_writer()

    def receive(self, record: Record) -> Receipt | None:
        """Write the debt down. None when nothing is owed here; a partition that was made anew or cut ends the lane."""
        if self.ledger is None or self._rewound is not None:
            return None
        self._rewound = self.ledger.rewound(record)
        if self._rewound is None:
            return self.ledger.receive(record)
        self._end()
        return None

    def settle(self, receipt: Receipt, events: Sequence[Outgoing]) -> bool:
        """Hand in a record's events. False when the receipt is of an earlier assignment: they are dropped."""
        if self.ledger is None or not self.ledger.settle(receipt, events):
            return False
        self._dirty.set()
        return True

    def reached(self, position: Position) -> None:
        """Hear that every record below was received. An idle lane commits it: else what is no record would stay its lag."""
        if self.ledger is not None and self._cadence.idle(self._clock()) and self.ledger.reach(position):
            self._dirty.set()

    @property
    def room(self) -> int:
        """How many records may be received now."""
        active = self.state is LaneState.ACTIVE and not self._draining and not self._closing.is_set()
        return self.ledger.room if active and self.ledger is not None else 0

    def stop_receiving(self) -> None:
        """Have no room from now on; what was received is still settled and committed."""
        self._draining = True

    async def close(self, task: "asyncio.Task[None]") -> None:
        """Publish what is settled, within `close_seconds`, and end the task. Losing this last commit loses nothing."""
        self._end()
        await asyncio.wait({task}, timeout=self._rules.close_seconds)
        task.cancel()
        await asyncio.wait({task})
        self._become(LaneState.CLOSED)

    async def _activate(self, activating: asyncio.Semaphore, seek: Callable[[Position], None]) -> None:
        """Try until it succeeds or the lane closes; an operator may mend what refuses us while we wait."""
        while not self._closing.is_set():
            async with activating:
                seconds = await self._try_to_activate(seek)
            if seconds is None:
                return
            await self._pause(seconds)

    async def _try_to_activate(self, seek: Callable[[Position], None]) -> float | None:
        """Return None when active, else how long to wait before the next try."""
        try:
            position, done = await self._fence_and_read()
        except LogUnavailable:
            return self._rules.retry_seconds
        except LogRefused as refusal:
            self._become(LaneState.REFUSED, str(refusal))
            return self._rules.refused_seconds
        if isinstance(done, UnknownMap):
            self._quarantine(done.beside(position.offset))
            return self._rules.refused_seconds
        self.ledger = Ledger(position, done, self.epoch, self._rules.order)
        seek(position)
        self._become(LaneState.ACTIVE)
        return None

    async def _fence_and_read(self) -> tuple[Position, frozenset[int] | UnknownMap]:
        """Order matters: only after `open` is the previous owner's last transaction decided and its offset final.

        The writer becomes ours only once its past is read back; before that it must never commit.
        """
        self._drop_writer()
        writer = self._new_writer()
        try:
            await writer.open()
            past = await self._read_past()
        except BaseException:
            writer.discard()
            raise
        self._writer = writer
        return past

    def _new_writer(self) -> Writer:
        rules = self._rules
        match rules.delivery:
            case ExactlyOnce():
                return self._log.writer(rules.transactional_id(self.partition), rules.group)
            case AtLeastOnce():
                return self._must_intake().writer()
            case unsaid:
                assert_never(unsaid)

    async def _read_past(self) -> tuple[Position, frozenset[int] | UnknownMap]:
        committed = await self._log.committed(self._rules.group, self.partition)
        if committed is None:
            return await self._log.earliest(self.partition), frozenset()
        return committed.position, decode(committed.position.offset, committed.metadata)

    async def _until_due(self) -> None:
        """Wait for something to commit, then for the rest of the cadence, so that bursts fill; closing ends both."""
        if not self._must_ledger().dirty:
            self._dirty.clear()
            await self._dirty.wait()
        due_seconds = self._cadence.wait_seconds(self._clock())
        if due_seconds > 0:
            await self._pause(due_seconds)

    async def _commit(self) -> None:
        match await self._commit_once():
            case None | CommitResult.COMMITTED:
                pass
            case CommitResult.REPLACED:
                await self._replace()
            case CommitResult.FENCED:
                # A new owner, or our own transaction timed out: only the next rebalance tells which. Give it time first.
                self._become(LaneState.REPLACING, "another writer took this lane over")
                await self._pause(self._rules.fenced_seconds)
                await self._replace()
            case unsaid:
                assert_never(unsaid)

    async def _commit_once(self) -> CommitResult | None:
        """Commit one burst. None when there was nothing to commit; anything but COMMITTED leaves no writer."""
        ledger, writer = self.ledger, self._writer
        if ledger is None or writer is None or (burst := ledger.take(self._rules.burst_records)) is None:
            return None
        started = self._clock()
        result = CommitResult.REPLACED
        outgoing = burst.outgoing()
        summary = self._summary(outgoing)
        try:
            await writer.commit([*outgoing, *summary], burst.committed)
        except RecordTooLarge as too_large:
            self._summary_fits = too_large.index < len(outgoing)
            self._shrink(ledger, burst, too_large.index)
        except WriterFenced:
            result = CommitResult.FENCED
        except WriterLost:
            pass
        else:
            ledger.committed(burst)
            self._summary_fits = True
            result = CommitResult.COMMITTED
        if result is not CommitResult.COMMITTED:
            self._drop_writer()
        ended = self._clock()
        self._cadence.committed(ended)
        self._tell(Committing(self.partition, result, len(burst.settled), ended - started))
        return result

    def _summary(self, outgoing: Sequence[Outgoing]) -> Sequence[Outgoing]:
        """Return the record that sums the commit up, if anybody wants one; one that its topic refuses is left out."""
        if self._rules.summarise is None or not self._summary_fits:
            return ()
        return self._rules.summarise(self.partition, [event.note for event in outgoing if event.note is not None])

    async def _replace(self) -> None:
        self._become(LaneState.REPLACING)
        while not self._closing.is_set():
            try:
                position, done = await self._fence_and_read()
            except (LogUnavailable, LogRefused) as error:
                self._become(LaneState.REPLACING, str(error))
                await self._pause(self._rules.retry_seconds)
                continue
            if isinstance(done, UnknownMap):
                self._quarantine(done.beside(position.offset))
                await self._pause(self._rules.refused_seconds)
                continue
            self._must_ledger().reconcile(position, done)
            self._become(LaneState.ACTIVE)
            return

    def _shrink(self, ledger: Ledger, burst: Burst, index: int) -> None:
        for offset, events in burst.settled:
            if index < len(events):
                ledger.amend(offset, [self._rules.shrink(e) if i == index else e for i, e in enumerate(events)])
                return
            index -= len(events)

    def _drop_writer(self) -> None:
        if self._writer is not None:
            self._writer.discard()
            self._writer = None

    def _must_ledger(self) -> Ledger:
        if self.ledger is None:
            raise RuntimeError(f"lane {self.partition} is not active")
        return self.ledger

    def _must_intake(self) -> Intake:
        if self._intake is None:
            raise RuntimeError(f"lane {self.partition} does not run")
        return self._intake

    def _quarantine(self, why: str) -> None:
        self._drop_writer()
        self._become(LaneState.QUARANTINED, why)

    def _end(self) -> None:
        self._closing.set()
        self._dirty.set()  # which is all that an idle lane waits for

    def _become(self, state: LaneState, why: str = "") -> None:
        """Take the state and tell it, once: a lane that tries again twice a second would else repeat itself as often."""
        self.state = state
        change = StateChange(self.partition, state, why)
        if change != self._told:
            self._told = change
            self._tell(change)

    async def _pause(self, seconds: float) -> None:
        """Wait, but not for a lane that is to close."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._closing.wait()
