"""A record of a dead-letter topic, read: what died, why, and whether the original can be made from it. Pure.

The inverse of `workers.routing.Router.dead`. Total: whatever a record holds, the answer is a value.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from schemas.events import ORIGINAL_HEADER, EventKind
from topics.record import Headers, Outgoing, Partition, Record

REPLAY_HEADER = "nt_replay"
_OF_TASK = "/nanotriage/"
_LONGEST_NUMBER = 18


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One dead letter. `source` and `source_offset` are the place of the record that died.

    `cut_bytes` is the size of a value that was left out or shortened, None when it was not or when that is not told. `whole`
    says that the original record can be made from this one. `replays` counts how often it was sent back before it died.
    """

    record: Record
    task: str
    reason: str
    detail: str
    source: Partition
    source_offset: int
    attempts: int | None
    cut_bytes: int | None
    whole: bool
    replays: int

    @property
    def size_bytes(self) -> int:
        """The size of the value as it is here."""
        return len(self.record.value or b"")


@dataclass(frozen=True, slots=True)
class Alien:
    """A record that is no dead letter of ours, and why."""

    record: Record
    why: str


def parse(record: Record) -> DeadLetter | Alien:
    """Read one record of a dead-letter topic. Of a header that stands twice the first counts: ours come first."""
    headers: dict[str, bytes] = {}
    for name, value in record.headers:
        headers.setdefault(name, value)
    if _text(headers, "ce_type") != EventKind.DEAD.event_type:
        return Alien(record, f"its header ce_type is not {EventKind.DEAD.event_type}")
    sender = _text(headers, "ce_source")
    if not sender.startswith(_OF_TASK):
        return Alien(record, "its header ce_source names no task")
    topic, number, offset = _text(headers, "nt_topic"), _number(headers, "nt_partition"), _number(headers, "nt_offset")
    if not topic or number is None or offset is None:
        return Alien(record, "its headers nt_topic, nt_partition and nt_offset name no record")
    return DeadLetter(
        record=record,
        task=sender.removeprefix(_OF_TASK),
        reason=_text(headers, "nt_reason"),
        detail=_text(headers, "nt_detail"),
        source=Partition(topic, number),
        source_offset=offset,
        attempts=_number(headers, "nt_attempts"),
        cut_bytes=_number(headers, "nt_cut_bytes"),
        # What was an answered event first never has the original's time, and a letter cut to the last loses it.
        whole="nt_cut_bytes" not in headers and "nt_timestamp_ms" in headers,
        replays=_replays(record.headers),
    )


def original(letter: DeadLetter) -> Outgoing:
    """Return the record that died, for its source topic: its key, value and headers, and `nt_replay` counted up.

    Header values that were null come back empty: a worker reads them so.
    """
    kept = tuple(
        (name.removeprefix(ORIGINAL_HEADER), value)
        for name, value in letter.record.headers
        if name.startswith(ORIGINAL_HEADER) and name != ORIGINAL_HEADER + REPLAY_HEADER
    )
    counted = (REPLAY_HEADER, b"%d" % (letter.replays + 1))
    return Outgoing(letter.source.topic, letter.record.key, letter.record.value, (*kept, counted))


def _replays(headers: Headers) -> int:
    """A count that is no number is somebody else's header: it counts nothing, and the first replay replaces it."""
    ours = [value for name, value in headers if name == ORIGINAL_HEADER + REPLAY_HEADER]
    return max((count for value in ours if (count := _whole_number(value)) is not None), default=0)


def _text(headers: Mapping[str, bytes], name: str) -> str:
    return headers.get(name, b"").decode("utf-8", "replace")


def _number(headers: Mapping[str, bytes], name: str) -> int | None:
    return _whole_number(headers.get(name, b""))


def _whole_number(value: bytes) -> int | None:
    return int(value) if value.isdigit() and len(value) <= _LONGEST_NUMBER else None
