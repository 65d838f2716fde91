"""What the brokers' own files say: which events are committed or aborted, and every commit a group ever made.

Read from a replica's segment files, in the format of Kafka's message format v2 and of its offset commit records
(OffsetCommitKey.json, OffsetCommitValue.json), so that no client's reading of transactions is believed.
"""

import struct
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from aiokafka.record.memory_records import MemoryRecords

from topics.record import Committed, Partition, Position

_ABORT, _COMMIT = 0, 1


@dataclass(frozen=True, slots=True)
class Fate:
    """The offsets of a partition's records by what became of their transaction; without one a record is committed."""

    committed: frozenset[int]
    aborted: frozenset[int]
    undecided: frozenset[int]


@dataclass(frozen=True, slots=True)
class _Entry:
    """A batch of the log; `marker` is the type of a control batch, else None."""

    batch: object
    producer: int
    transactional: bool
    marker: int | None
    offsets: range


def fates(replicas: Sequence[Path], partition: Partition) -> Fate:
    """Return what became of each record of the partition; `replicas` are the data folders of the brokers."""
    open_by: dict[int, list[range]] = defaultdict(list)
    ended: dict[int, list[range]] = {_COMMIT: [], _ABORT: []}
    for entry in _entries(longest(replicas, str(partition).replace("/", "-"))):
        if entry.marker is not None:
            ended[entry.marker] += open_by.pop(entry.producer, [])
        elif entry.transactional:
            open_by[entry.producer].append(entry.offsets)
        else:
            ended[_COMMIT].append(entry.offsets)
    left = [offsets for many in open_by.values() for offsets in many]
    return Fate(_union(ended[_COMMIT]), _union(ended[_ABORT]), _union(left))


def commits(replicas: Sequence[Path], group: str) -> list[Committed]:
    """Return what the group committed, in the order in which it took effect; offsets that were deleted are left out."""
    names = {path.name for data in replicas for path in data.glob("__consumer_offsets-*")}
    return [commit for name in sorted(names) for commit in _commits(longest(replicas, name), group)]


def longest(replicas: Sequence[Path], name: str) -> Path:
    """Return the folder of the partition's replica with the most bytes: at rest all of them agree."""
    folders = [data / name for data in replicas if (data / name).is_dir()]
    return max(folders, key=lambda folder: sum(file.stat().st_size for file in folder.glob("*.log")))


def _commits(folder: Path, group: str) -> Iterator[Committed]:
    pending: dict[int, list[Committed]] = defaultdict(list)
    for entry in _entries(folder):
        if entry.marker is not None:
            made = pending.pop(entry.producer, [])
            yield from made if entry.marker == _COMMIT else ()
            continue
        found = [c for record in entry.batch if (c := _commit_of(record.key, record.value, group)) is not None]  # type: ignore[attr-defined]
        if entry.transactional:
            pending[entry.producer] += found
        else:
            yield from found


def _entries(folder: Path) -> Iterator[_Entry]:
    for file in sorted(folder.glob("*.log")):
        records = MemoryRecords(file.read_bytes())
        while records.has_next():
            batch = records.next_batch()
            marker = None
            if batch.is_control_batch:
                (marker,) = struct.unpack(">xxh", next(iter(batch)).key)
            yield _Entry(batch, batch.producer_id, batch.is_transactional, marker, range(batch.base_offset, batch.next_offset))


def _commit_of(key: bytes | None, value: bytes | None, group: str) -> Committed | None:
    if key is None or value is None or struct.unpack_from(">h", key)[0] > 1:
        return None  # a group's members, or a deletion
    named, at = _text(key, 2)
    if named != group:
        return None
    topic, at = _text(key, at)
    (number,) = struct.unpack_from(">i", key, at)
    version, offset = struct.unpack_from(">hq", value)
    at = 14 if version >= 3 else 10  # from version 3 on, the leader's epoch stands between
    metadata = _compact_text(value, at) if version >= 4 else _text(value, at)[0]
    return Committed(Position.restored(Partition(topic, number), offset), metadata)


def _text(content: bytes, at: int) -> tuple[str, int]:
    (size,) = struct.unpack_from(">h", content, at)
    return content[at + 2 : at + 2 + size].decode(), at + 2 + size


def _compact_text(content: bytes, at: int) -> str:
    size = shift = 0
    while True:
        byte = content[at]
        at += 1
        size |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return content[at : at + size - 1].decode()


def _union(ranges: Sequence[range]) -> frozenset[int]:
    return frozenset(offset for each in ranges for offset in each)
