"""The list of dead letters: a row for each of the first ones, and sums of all by task and reason. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from topics.record import Record
from workers.deadletters.letters import Alien, DeadLetter, parse
from workers.deadletters.where import Where

ROW_HEADS = ("LETTER", "REASON", "SOURCE", "ATTEMPTS", "REPLAYS", "TIME", "BYTES", "CUT", "DETAIL")
SUM_HEADS = ("TOPIC", "TASK", "REASON", "LETTERS", "BYTES", "OLDEST", "NEWEST")


@dataclass(frozen=True, slots=True)
class Row:
    """A letter without its value. Sizes in bytes, times in milliseconds since the epoch."""

    topic: str
    partition: int
    offset: int
    task: str
    reason: str
    detail: str
    source: str
    attempts: int | None
    replays: int
    timestamp_ms: int
    size_bytes: int
    cut: str | None

    def cells(self) -> tuple[str, ...]:
        """Return the cells under ROW_HEADS, not yet fit for a terminal."""
        return (
            f"{self.partition}/{self.offset}",
            self.reason,
            self.source,
            "" if self.attempts is None else str(self.attempts),
            str(self.replays),
            moment(self.timestamp_ms),
            str(self.size_bytes),
            self.cut or "",
            self.detail,
        )


@dataclass(slots=True)
class Sums:
    """What letters of one topic, task and reason come to."""

    letters: int = 0
    size_bytes: int = 0
    oldest_ms: int | None = None
    newest_ms: int | None = None

    def add(self, row: Row) -> None:
        self.letters += 1
        self.size_bytes += row.size_bytes
        self.oldest_ms = row.timestamp_ms if self.oldest_ms is None else min(self.oldest_ms, row.timestamp_ms)
        self.newest_ms = row.timestamp_ms if self.newest_ms is None else max(self.newest_ms, row.timestamp_ms)


@dataclass(slots=True)
class Listing:
    """Filled record by record. Keeps `most` rows; the sums are of every letter selected. `aliens` are none of the tasks'."""

    tasks: frozenset[str]
    where: Where
    now_ms: int
    most: int | None = None
    rows: list[Row] = field(default_factory=list)
    sums: dict[tuple[str, str, str], Sums] = field(default_factory=dict)
    aliens: int = 0

    def see(self, records: Iterable[Record]) -> None:
        for record in records:
            letter = parse(record)
            if isinstance(letter, Alien) or letter.task not in self.tasks:
                self.aliens += 1
            elif self.where.selects(letter, self.now_ms):
                row = row_of(letter)
                self.sums.setdefault((row.topic, row.task, row.reason), Sums()).add(row)
                if self.most is None or len(self.rows) < self.most:
                    self.rows.append(row)

    @property
    def letters(self) -> int:
        return sum(sums.letters for sums in self.sums.values())

    def sum_rows(self) -> list[tuple[str, ...]]:
        """Return the cells under SUM_HEADS, most letters first, not yet fit for a terminal."""
        ordered = sorted(self.sums.items(), key=lambda item: (item[0][:2], -item[1].letters, item[0]))
        return [
            (*key, str(sums.letters), str(sums.size_bytes), moment(sums.oldest_ms), moment(sums.newest_ms))
            for key, sums in ordered
        ]

    def as_json(self) -> dict[str, Any]:
        return {
            "letters": self.letters,
            "aliens": self.aliens,
            "by_reason": [_sums_json(key, sums) for key, sums in sorted(self.sums.items())],
            "rows": [row_json(row) for row in self.rows],
        }


def row_of(letter: DeadLetter) -> Row:
    record = letter.record
    return Row(
        topic=record.partition.topic,
        partition=record.partition.number,
        offset=record.offset,
        task=letter.task,
        reason=letter.reason,
        detail=letter.detail,
        source=f"{letter.source}/{letter.source_offset}",
        attempts=letter.attempts,
        replays=letter.replays,
        timestamp_ms=record.timestamp_ms,
        size_bytes=letter.size_bytes,
        cut=_cut(letter),
    )


def row_json(row: Row) -> dict[str, Any]:
    return {name: getattr(row, name) for name in Row.__slots__}


def moment(timestamp_ms: int | None) -> str:
    """Return the time in UTC to the second, or the number itself when it is no time."""
    if timestamp_ms is None:
        return ""
    try:
        return f"{datetime.fromtimestamp(timestamp_ms / 1000, UTC):%Y-%m-%dT%H:%M:%SZ}"
    except (OverflowError, ValueError, OSError):
        return str(timestamp_ms)


def _sums_json(key: tuple[str, str, str], sums: Sums) -> Mapping[str, Any]:
    topic, task, reason = key
    return {
        "topic": topic,
        "task": task,
        "reason": reason,
        "letters": sums.letters,
        "size_bytes": sums.size_bytes,
        "oldest_ms": sums.oldest_ms,
        "newest_ms": sums.newest_ms,
    }


def _cut(letter: DeadLetter) -> str | None:
    if letter.whole:
        return None
    return f"from {letter.cut_bytes}" if letter.cut_bytes is not None else "yes"
