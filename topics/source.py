"""The source: this process's membership of the consumer group, and a lane for each partition it owns.

One task pulls, for ever, whatever the model does: membership never waits for an answer. A rebalance closes every lane
(bounded) and opens a new one, of a new epoch, for each partition assigned; lanes activate in the background, because no
heartbeat is sent while an assignment callback runs.
"""

import asyncio
import zlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from topics.lane import Clock, Lane
from topics.lane_facts import LaneFact, LaneRules, LaneState
from topics.limbo import Limbo
from topics.log import Intake, Log
from topics.record import Outgoing, Partition, Receipt, Record

_FULL_SECONDS = 0.02


class Arrival(NamedTuple):
    """A record that was received, and the receipt owed for it."""

    record: Record
    receipt: Receipt


@dataclass(frozen=True, slots=True)
class Standing:
    """How far one owned partition is. `lag` counts records to the end of the log, `owed` those received and not published."""

    state: LaneState
    owed: int
    lag: int | None


class Source:
    """Pulls records for whoever has room, and publishes what they settle. Also the group's assignment listener."""

    def __init__(
        self,
        log: Log,
        rules: LaneRules,
        tell: Callable[[LaneFact], None],
        clock: Clock,
        *,
        activations: int = 8,
        max_poll_records: int = 500,
    ) -> None:
        self._log = log
        self._rules = rules
        self._tell = tell
        self._clock = clock
        self._intake: Intake = log.intake(rules.group)
        self._lanes: dict[Partition, Lane] = {}
        self._tasks: dict[Partition, asyncio.Task[None]] = {}
        self._epoch = 0
        self._topics: tuple[str, ...] = ()
        self._activating = asyncio.Semaphore(activations)
        self._max_poll_records = max_poll_records
        self._draining = False
        self._limbo = Limbo()

    async def start(self, topics: Collection[str]) -> None:
        """Join the group. Raises LogUnavailable or LogRefused."""
        self._topics = tuple(topics)
        await self._intake.start(topics, self)

    def share(self) -> float | None:
        """Return which share of the topics' partitions is owned here, or None while none is or their number is unknown."""
        number = sum(self._intake.partitions(topic) for topic in self._topics)
        return min(1.0, len(self._lanes) / number) if self._lanes and number else None

    async def pull(self, room: Mapping[str, int], wait_seconds: float) -> Sequence[Arrival]:
        """Return new records of the topics that have room, or nothing after the wait.

        Each arrival is owed one `settle`. Never cancel it. Raises whatever ended a lane's task unexpectedly.
        """
        self._raise_failures()
        ready = [p for p, lane in self._lanes.items() if lane.room]
        wanted = [p for p in ready if room.get(p.topic, 0) > 0]
        if ready and not wanted:
            wait_seconds = min(wait_seconds, _FULL_SECONDS)  # whoever is full now will have room soon
        # A lane may overshoot its room by one poll: `Ledger.take` never leaves the window, whatever was received.
        most = min([self._max_poll_records, *(room[p.topic] for p in wanted)])
        arrivals = []
        records = await self._intake.poll(wanted, most, wait_seconds)
        if not records:
            self._tell_reached(wanted)
        for record in records:
            lane = self._lanes.get(record.partition)
            if lane is None:
                continue  # revoked while polling: the next owner reads it
            receipt = lane.receive(record)
            if receipt is not None and not self._answered_before(lane, record, receipt):
                arrivals.append(Arrival(record, receipt))
        return arrivals

    def settle(self, receipt: Receipt, events: Sequence[Outgoing]) -> bool:
        """Publish the events of a record, exactly once, with its position. False: it is not ours now.

        Events for a record of an earlier assignment are kept for a while, in case it comes back (`topics.limbo`).
        """
        lane = self._lanes.get(receipt.partition)
        if lane is not None and lane.settle(receipt, events):
            self._limbo.settled(receipt)
            return True
        adopted = self._limbo.answered(receipt, events)
        return adopted is not None and lane is not None and lane.settle(adopted, events)

    def owes(self, receipt: Receipt) -> bool:
        """Whether an answer for this receipt is still of use; if not, whoever owns the partition now asks for itself."""
        lane = self._lanes.get(receipt.partition)
        if lane is not None and lane.epoch == receipt.epoch:
            return True
        return not self._limbo.forsake(receipt)

    @property
    def epoch(self) -> int:
        """How many assignments there were: with each of them receipts may have lost their worth (`owes`)."""
        return self._epoch

    def stragglers(self) -> Sequence[Receipt]:
        """Return the receipts whose lacking answers alone keep a partition's window from moving on."""
        ledgers = (lane.ledger for lane in self._lanes.values() if lane.state is LaneState.ACTIVE)
        return [late for ledger in ledgers if ledger is not None and (late := ledger.straggler()) is not None]

    def stop_receiving(self) -> None:
        """Pull nothing more; what was received can still be settled."""
        self._draining = True
        for lane in self._lanes.values():
            lane.stop_receiving()

    def standings(self) -> Mapping[Partition, Standing]:
        """Return how far each owned partition is."""
        return {
            p: Standing(lane.state, lane.ledger.owed if lane.ledger else 0, self._lag(lane)) for p, lane in self._lanes.items()
        }

    async def stop(self) -> None:
        """Commit what is settled, close the lanes, leave the group. Bounded; the log itself stays open."""
        self.stop_receiving()
        await self.revoked(list(self._lanes))
        await self._intake.stop()
        await self.revoked(list(self._lanes))  # what a rebalance under way gave us meanwhile

    async def revoked(self, partitions: Collection[Partition]) -> None:
        """Close the lanes side by side: each bounds itself, so the group waits for the slowest only."""
        leaving = [(self._lanes[p], self._tasks[p]) for p in partitions if p in self._lanes]
        await asyncio.gather(*(lane.close(task) for lane, task in leaving))
        self._raise_failures()
        for lane, _ in leaving:
            if self._lanes.get(lane.partition) is lane:  # a stop and a rebalance may close the same lane
                del self._lanes[lane.partition], self._tasks[lane.partition]
                self._limbo.revoked(lane.partition, self._clock())

    def assigned(self, partitions: Collection[Partition]) -> None:
        self._epoch += 1
        for partition in partitions:
            if partition in self._lanes:  # its revocation was not waited for
                self._limbo.revoked(partition, self._clock())
            lane = Lane(self._log, partition, epoch=self._epoch, rules=self._rules, tell=self._tell, clock=self._clock)
            if self._draining:
                lane.stop_receiving()
            self._lanes[partition] = lane
            self._tasks[partition] = asyncio.ensure_future(lane.run(self._activating, self._intake))

    def _tell_reached(self, partitions: Collection[Partition]) -> None:
        """Tell the lanes how far they were read. Right after a poll: what it returned must have been received before."""
        for partition in partitions:
            lane, position = self._lanes.get(partition), self._intake.reached(partition)
            if lane is not None and position is not None:
                lane.reached(position)

    def _answered_before(self, lane: Lane, record: Record, receipt: Receipt) -> bool:
        crc = zlib.crc32(record.value or b"")
        adopted, events = self._limbo.adopt(receipt, crc)
        if events is not None:
            lane.settle(receipt, events)
        if not adopted:
            self._limbo.handed(receipt, crc)
        return adopted

    def _lag(self, lane: Lane) -> int | None:
        end = self._intake.end_offset(lane.partition)
        if end is None or lane.ledger is None:
            return None
        return max(0, end - lane.ledger.watermark)

    def _raise_failures(self) -> None:
        for task in self._tasks.values():
            if task.done() and not task.cancelled() and (error := task.exception()) is not None:
                raise error
