"""The ledger of one partition: what was received, what is settled, what may be published, what may be committed.

An offset is a promise. Every received record is owed exactly one verdict; `receive` writes the debt down and hands out a
receipt, `settle` pays it with the events to publish. The ledger answers two questions and nothing else:

1. *What may be published now?* In order mode `none`, whatever is settled. In mode `key`, an event only after all earlier
   records of its Kafka key (a record without a key waits for nobody). In mode `partition`, only after all earlier records.
2. *What may be committed with it?* The position is the lowest offset still owed, never derived from what was merely seen
   (that loses records: Parallel Consumer #826); published offsets above it go into the commit map (`topics.commit_map`).
   Offsets that never arrive (compaction, transaction markers, aborted records) are nobody's debt; `reach` tells of those
   that no received record follows.

`take` cuts one burst, the events of one transaction together with the position and map that are true once it is
committed; `committed` or `reconcile` must answer it before the next. Pure and synchronous, owned by one task, so no lock.

Size: a burst never names an offset outside the map's window, and `room` closes the intake before it could.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from topics.commit_map import WINDOW, encode
from topics.record import Committed, Outgoing, Partition, Position, Receipt, Record


class Order(StrEnum):
    """Which events must keep the order of their input records."""

    KEY = "key"
    PARTITION = "partition"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Burst:
    """The content of one transaction: settled offsets with their events, and what is committed with them."""

    settled: tuple[tuple[int, Sequence[Outgoing]], ...]
    committed: Committed

    def outgoing(self) -> list[Outgoing]:
        return [event for _, events in self.settled for event in events]


_Line = deque[int]
"""Received offsets that must be published one after the other."""


class Ledger:
    """See the module's docstring."""

    def __init__(self, start: Position, done: frozenset[int], epoch: int, order: Order) -> None:
        self.partition: Partition = start.partition
        self.epoch = epoch
        self._order = order
        self._next = start.offset  # what will be received is at or above this
        self._read = start.offset  # how far this life has read; below `_next` where another owner went further
        self._done = set(done)  # published above the watermark, in this life or an earlier one
        self._owed: dict[int, _Line | None] = {}
        self._arrivals: deque[int] = deque()  # owed offsets, ascending; paid ones leave lazily
        self._lines: dict[bytes, _Line] = {}
        self._settled: dict[int, Sequence[Outgoing]] = {}  # paid, still behind an unpaid one of its line
        self._released: dict[int, Sequence[Outgoing]] = {}  # may be published
        self._burst: Burst | None = None
        self._committed = start.offset

    @property
    def room(self) -> int:
        """How many offsets may still be received before the window of the commit map is full."""
        return max(0, self._watermark() + WINDOW - self._next)

    @property
    def owed(self) -> int:
        """Records received and not yet published."""
        return len(self._owed)

    @property
    def watermark(self) -> int:
        """The lowest offset still owed, or else the next to be received: everything below is published."""
        return self._watermark()

    @property
    def dirty(self) -> bool:
        """Whether a transaction would move anything: released events beyond the map's window must wait."""
        watermark = self._watermark()
        return watermark > self._committed or min(self._released, default=watermark + WINDOW) < watermark + WINDOW

    def receive(self, record: Record) -> Receipt | None:
        """Write the debt down. None means that this record's events were published in an earlier life."""
        offset = record.offset
        if offset < self._next:
            return None  # a fetch that raced with a seek: already owed or done
        self._next = self._read = record.position_after().offset
        if offset in self._done:
            return None
        line = self._line_of(record.key)
        if line is not None:
            line.append(offset)
        self._owed[offset] = line
        self._arrivals.append(offset)
        return Receipt(self.partition, offset, self.epoch)

    def rewound(self, record: Record) -> str | None:
        """Return what must be done if the record stands before what was read already, which no log does by itself.

        A topic that was deleted and made anew, or cut by an unclean election, ends below our place, and Kafka's consumers
        then begin at its earliest record. Its offsets name other records now: neither the position nor the map says what
        is done of them.
        """
        if record.offset >= self._read:
            return None
        return (
            f"it was read up to offset {self._read} and goes on at {record.offset}, so it was made anew or cut: stop the "
            "workers, reset the group's offset of it with Kafka's own tools, raise kafka.stream_epoch and start again"
        )

    def reach(self, position: Position) -> bool:
        """Take over that no record below the position is still to come; return whether more can be committed now.

        Nothing happens while a record is owed: its commit comes first.
        """
        if self._owed or position.offset <= self._next:
            return False
        self._next = self._read = position.offset
        return True

    def settle(self, receipt: Receipt, events: Sequence[Outgoing]) -> bool:
        """Pay a debt. False for a receipt of another assignment, or one already paid: nothing happens."""
        offset = receipt.offset
        if receipt.epoch != self.epoch or offset not in self._owed or offset in self._settled or offset in self._released:
            return False
        line = self._owed[offset]
        if line is None:
            self._released[offset] = events
            return True
        self._settled[offset] = events
        self._release(line)
        return True

    def straggler(self) -> Receipt | None:
        """Return the lowest debt when it alone holds things up: unanswered, the window nearly full, and nearly all done.

        Uber's consumer proxy calls this a head-of-line blocker. When many are unanswered it is the model that is slow, and
        nobody is to blame; when the lowest is answered, the next commit makes room.
        """
        lowest = self._watermark()
        if self.room > WINDOW // 10 or lowest not in self._owed or self._answered(lowest):
            return None
        if sum(not self._answered(offset) for offset in self._owed) > WINDOW // 50:
            return None
        return Receipt(self.partition, lowest, self.epoch)

    def take(self, most: int) -> Burst | None:
        """Cut the next burst of at most `most` records, lowest offsets first, or None when nothing would change.

        Raises RuntimeError while an earlier burst is unanswered.
        """
        if self._burst is not None:
            raise RuntimeError(f"{self.partition}: a burst is already under way")
        if not self.dirty:
            return None
        chosen = sorted(self._released)[:most]
        watermark = self._watermark(without=set(chosen))
        chosen = [offset for offset in chosen if offset < watermark + WINDOW]
        taken = set(chosen)
        above = [o for o in self._done | taken if watermark <= o < watermark + WINDOW]
        if not chosen and watermark <= self._committed:
            return None
        position = Position.restored(self.partition, watermark)
        self._burst = Burst(tuple((o, self._released[o]) for o in chosen), Committed(position, encode(watermark, above)))
        return self._burst

    def amend(self, offset: int, events: Sequence[Outgoing]) -> None:
        """Replace the events of a settled record, when the log refuses them. The unanswered burst is void."""
        self._burst = None
        self._released[offset] = events

    def committed(self, burst: Burst) -> None:
        """The burst's transaction was committed."""
        if burst is not self._burst:
            raise RuntimeError(f"{self.partition}: this burst was not under way")
        self._burst = None
        for offset, _ in burst.settled:
            self._published(offset)
        self._advance(burst.committed.position.offset)

    def reconcile(self, position: Position, done: frozenset[int]) -> None:
        """Take over what the log says is committed, after a transaction whose fate was unknown.

        Whatever is below the position or in the map is published, by us or by whoever owned the partition meanwhile; the
        rest of the burst goes back among the released.
        """
        self._burst = None
        for offset in [o for o in self._owed if o < position.offset or o in done]:
            self._drop(offset)
        self._done |= {o for o in done if o >= position.offset}
        self._next = max(self._next, position.offset)
        self._advance(position.offset)

    def _answered(self, offset: int) -> bool:
        return offset in self._settled or offset in self._released

    def _line_of(self, key: bytes | None) -> _Line | None:
        if self._order is Order.NONE or (self._order is Order.KEY and key is None):
            return None
        name = b"" if key is None or self._order is Order.PARTITION else key
        line = self._lines.get(name)
        if not line:  # a line that ran dry is replaced, so idle keys cost nothing
            line = self._lines[name] = deque()
        return line

    def _release(self, line: _Line) -> None:
        while line and line[0] in self._settled:
            offset = line.popleft()
            self._released[offset] = self._settled.pop(offset)

    def _published(self, offset: int) -> None:
        self._released.pop(offset, None)
        self._owed.pop(offset, None)
        self._done.add(offset)

    def _drop(self, offset: int) -> None:
        line = self._owed[offset]
        self._settled.pop(offset, None)
        self._published(offset)
        if line is not None and offset in line:
            line.remove(offset)
            self._release(line)

    def _advance(self, committed: int) -> None:
        self._committed = committed
        self._done = {o for o in self._done if o >= committed}
        while self._arrivals and self._arrivals[0] not in self._owed:
            self._arrivals.popleft()
        if len(self._lines) > 2 * len(self._owed) + 64:
            self._lines = {name: line for name, line in self._lines.items() if line}

    def _watermark(self, without: set[int] | None = None) -> int:
        """Return the lowest offset owed, leaving out some, or else the next to be received."""
        for offset in self._arrivals:
            if offset in self._owed and (without is None or offset not in without):
                return offset
        return self._next
