"""Limbo: records handed out in an earlier assignment whose answers are still on their way. Pure.

Every rebalance of the eager protocol takes all partitions away, and with a sticky assignor most come back at once. The
calls under way are paid for, so they go on; if the same record (same offset, same CRC of its value) is received again in
the new assignment, the old call's answer settles the new receipt, and the model is not asked twice. Safe, because an input
offset never changes, and publishing still takes the new assignment's transaction.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from topics.record import Outgoing, Partition, Receipt

Place = tuple[Partition, int]


@dataclass(slots=True)
class _Awaited:
    """An answer somebody still works on (`events` None), or that came before the record was received again."""

    crc: int
    left_at: float
    events: Sequence[Outgoing] | None = None
    adopted_by: Receipt | None = None


class Limbo:
    """Entries expire `keep_seconds` after the partition was lost; an adopted one lives until it is settled."""

    def __init__(self, keep_seconds: float = 60.0) -> None:
        self._keep_seconds = keep_seconds
        self._handed: dict[Place, int] = {}  # CRC of what is handed out and not settled
        self._awaited: dict[Place, _Awaited] = {}

    def __len__(self) -> int:
        return len(self._awaited)

    def handed(self, receipt: Receipt, crc: int) -> None:
        """A record was handed out to be answered."""
        self._handed[receipt.partition, receipt.offset] = crc

    def settled(self, receipt: Receipt) -> None:
        """Its answer was taken."""
        self._handed.pop((receipt.partition, receipt.offset), None)

    def revoked(self, partition: Partition, now: float) -> None:
        """The partition was lost: what is handed out of it is awaited from now on."""
        for place in [place for place in self._handed if place[0] == partition]:
            self._awaited[place] = _Awaited(self._handed.pop(place), now)
        for place, awaited in list(self._awaited.items()):
            if place[0] == partition:
                awaited.adopted_by = None
            if awaited.adopted_by is None and now - awaited.left_at > self._keep_seconds:
                del self._awaited[place]

    def adopt(self, receipt: Receipt, crc: int) -> tuple[bool, Sequence[Outgoing] | None]:
        """Return whether an earlier call answers this receipt, and its events if they are here already."""
        if not self._awaited:
            return False, None
        place = (receipt.partition, receipt.offset)
        awaited = self._awaited.get(place)
        if awaited is None:
            return False, None
        if awaited.crc != crc:  # the topic was made anew: another record at the same place
            del self._awaited[place]
            return False, None
        if awaited.events is not None:
            del self._awaited[place]
            return True, awaited.events
        awaited.adopted_by = receipt
        return True, None

    def answered(self, receipt: Receipt, events: Sequence[Outgoing]) -> Receipt | None:
        """An answer came for a lost receipt. Return the receipt it settles now, or None: it is kept for a while."""
        place = (receipt.partition, receipt.offset)
        self._handed.pop(place, None)  # an answer that was thrown away must never be awaited
        awaited = self._awaited.get(place)
        if awaited is None:
            return None
        if awaited.adopted_by is not None:
            del self._awaited[place]
            return awaited.adopted_by
        awaited.events = events
        return None

    def forsake(self, receipt: Receipt) -> bool:
        """Return whether nobody waits for this lost receipt's answer, and if so forget it: it need not be asked about."""
        place = (receipt.partition, receipt.offset)
        self._handed.pop(place, None)
        awaited = self._awaited.get(place)
        if awaited is not None and awaited.adopted_by is not None:
            return False
        self._awaited.pop(place, None)
        return True
