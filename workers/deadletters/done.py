"""Which letters of one partition are done with, kept beside the replay group's committed offset.

A replay with `--where` leaves letters out, so one offset cannot say what was sent back. As the worker does
(`topics.commit_map`), the commit's metadata names what is done above the position, here as runs instead of a bitmap: a
window of fixed width would end a replay over a long topic, and letters that are left out come in stretches.

Format: `dlq1:` and the base64 of LEB128 numbers, for each run its distance from the end of the one before (the position,
for the first) and its length. Brokers accept 4,096 bytes (`offset.metadata.max.bytes`): that is room for about 1,500 runs.
"""

import base64
import binascii
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from topics.commit_map import UnknownMap

Run = tuple[int, int]
"""Offsets from the first number on, up to but without the second."""

_VERSION = "dlq1:"
_MOST_CHARS = 4_000
_MOST_BITS = 63


@dataclass(frozen=True, slots=True)
class Done:
    """The offsets that are done: ascending runs that neither overlap nor touch."""

    runs: tuple[Run, ...] = ()

    def __post_init__(self) -> None:
        last = -1
        for start, end in self.runs:
            if not last < start < end:
                raise ValueError(f"runs must ascend, be apart and not be empty: {self.runs}")
            last = end

    @property
    def position(self) -> int:
        """Everything below is done."""
        return self.runs[0][1] if self.runs and self.runs[0][0] == 0 else 0

    def __contains__(self, offset: int) -> bool:
        return any(start <= offset < end for start, end in self.runs)

    def among(self, offsets: Iterable[int]) -> frozenset[int]:
        """Return those of the ascending offsets that are done, in one walk."""
        found, runs = set(), iter(self.runs)
        start, end = next(runs, (0, 0))
        for offset in offsets:
            while end <= offset and end:
                start, end = next(runs, (0, 0))
            if start <= offset < end:
                found.add(offset)
        return frozenset(found)

    def plus(self, runs: Iterable[Run]) -> "Done":
        """Return this and the runs together."""
        joined: list[Run] = []
        for start, end in sorted((*self.runs, *runs)):
            if joined and start <= joined[-1][1]:
                joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
            elif start < end:
                joined.append((start, end))
        return Done(tuple(joined))

    def metadata(self) -> str | None:
        """Return what to commit beside the position, or None when it has no room there."""
        above = self.runs[1:] if self.position else self.runs
        if not above:
            return ""
        raw, last = bytearray(), self.position
        for start, end in above:
            raw += _leb128(start - last)
            raw += _leb128(end - start)
            last = end
        text = _VERSION + base64.b64encode(raw).decode()
        return text if len(text) <= _MOST_CHARS else None


def restored(position: int, metadata: str) -> Done | UnknownMap:
    """Return what a commit of `position` with this metadata says; total for any input.

    Empty metadata is a replay that left nothing out, or an operator's reset: exactly what is below the position is done.
    """
    runs: list[Run] = [(0, position)] if position else []
    if not metadata:
        return Done(tuple(runs))
    if not metadata.startswith(_VERSION):
        return UnknownMap(f"it does not start with {_VERSION!r}")
    try:
        numbers = list(_numbers(base64.b64decode(metadata[len(_VERSION) :].encode(), validate=True)))
    except (binascii.Error, ValueError) as error:
        return UnknownMap(f"it cannot be read ({error})")
    if len(numbers) % 2 or 0 in numbers:
        return UnknownMap("it names no runs of offsets")
    last = position
    for distance, length in zip(numbers[::2], numbers[1::2], strict=True):
        runs.append((last + distance, last + distance + length))
        last = runs[-1][1]
    return Done(tuple(runs))


class Walk:
    """Builds runs from letters met in the order of their offsets.

    Offsets between two letters (transaction markers, records that can never be replayed) are done when both letters are,
    so that they cost no run of their own. `joined` says that whatever stands before `start` is done.
    """

    def __init__(self, start: int, *, joined: bool) -> None:
        self.runs: list[Run] = []
        self._at = start
        self._joined = joined

    def letter(self, offset: int, *, done: bool) -> None:
        if done:
            self.runs.append((self._at if self._joined else offset, offset + 1))
        self._at, self._joined = offset + 1, done

    def end(self, offset: int) -> None:
        """There is no further letter below the offset."""
        if self._joined and offset > self._at:
            self.runs.append((self._at, offset))
        self._at = max(offset, self._at)


def _leb128(number: int) -> bytes:
    raw = bytearray()
    while number >= 1 << 7:
        raw.append(number & 0x7F | 0x80)
        number >>= 7
    raw.append(number)
    return bytes(raw)


def _numbers(raw: bytes) -> Iterator[int]:
    number = shift = 0
    for byte in raw:
        number |= (byte & 0x7F) << shift
        shift += 7
        if shift > _MOST_BITS:
            raise ValueError("a number is too large")
        if byte < 1 << 7:
            yield number
            number = shift = 0
    if shift:
        raise ValueError("the last number is not complete")
