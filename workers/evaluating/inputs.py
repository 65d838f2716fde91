"""Inputs: a sample's lines as records to send, each with the id under which gold labels know it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from schemas.message import Message
from schemas.task import Source
from topics.codec import Codec
from topics.record import Partition, Record
from workers.exits import UserError

_ANYWHERE = Partition("input", 0)


@dataclass(frozen=True, slots=True)
class Input:
    """One record to send."""

    value: bytes | None
    key: bytes | None
    message_id: str | None


def load_inputs(path: Path, source: Source, limit: int | None = None) -> Sequence[Input]:
    """Return the first `limit` lines of a sample. Raises UserError for a file that cannot be read or is empty."""
    try:
        lines = [line for line in path.read_bytes().splitlines() if line.strip()]
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): correct --input") from None
    if not lines:
        raise UserError(f"{path} is empty: give a file with one record's value a line")
    codec = Codec(source)
    return [_input(codec, line) for line in lines[:limit]]


def _input(codec: Codec, line: bytes) -> Input:
    message = codec.decode(Record(_ANYWHERE, 0, None, line, (), 0))
    if not isinstance(message, Message):
        return Input(line, None, None)
    named = message.id != f"{_ANYWHERE}/0"  # the codec's word for a message that brings no id
    return Input(line, message.key, message.id if named else None)
