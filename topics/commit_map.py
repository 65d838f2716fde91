"""The commit map: which offsets above the committed one are done, kept in the offset's own metadata.

A consumer group commits one offset per partition, but model calls finish out of order. The map names the offsets above it
whose events are published, so that a restart asks the model again only for what was truly unfinished. It travels as the
metadata of the offset commit, hence in the same transaction as the events it speaks of.

Format: `v1:` and the base64 of a little-endian bitmap; bit i stands for `offset + i`. A window of 4,096 offsets is at most
687 characters; brokers accept 4,096 bytes (`offset.metadata.max.bytes`). The idea is Confluent Parallel Consumer's.
"""

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass

WINDOW = 4_096
_VERSION = "v1:"


@dataclass(frozen=True, slots=True)
class UnknownMap:
    """Metadata that is not ours to read. Guessing would publish twice, so the partition is quarantined."""

    why: str

    def beside(self, offset: int) -> str:
        return f"the commit map beside offset {offset} is unknown: {self.why}"


def encode(offset: int, done: Iterable[int]) -> str:
    """Return the metadata for a commit of `offset` with these offsets done at or above it.

    Raises ValueError for an offset below the commit or outside the window.
    """
    bitmap = 0
    for other in done:
        distance = other - offset
        if not 0 <= distance < WINDOW:
            raise ValueError(f"offset {other} is outside the window of a commit at {offset}")
        bitmap |= 1 << distance
    raw = bitmap.to_bytes((bitmap.bit_length() + 7) // 8, "little")
    return _VERSION + base64.b64encode(raw).decode()


def decode(offset: int, metadata: str) -> frozenset[int] | UnknownMap:
    """Return the done offsets that `metadata` names beside a commit of `offset`; total for any input.

    Empty metadata is a commit by another tool (a reset by an operator, an earlier consumer): nothing above it is done.
    """
    if not metadata:
        return frozenset()
    if not metadata.startswith(_VERSION):
        return UnknownMap(f"it does not start with {_VERSION!r}")
    try:
        raw = base64.b64decode(metadata[len(_VERSION) :].encode(), validate=True)
    except (binascii.Error, ValueError):
        return UnknownMap("it is not base64")
    if len(raw) * 8 > WINDOW:
        return UnknownMap(f"it names offsets beyond the window of {WINDOW}")
    bitmap = int.from_bytes(raw, "little")
    return frozenset(offset + i for i in range(bitmap.bit_length()) if bitmap >> i & 1)
