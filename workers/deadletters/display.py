"""Bytes and texts of strangers, made fit for a terminal. Pure.

A dead letter may hold anything, also sequences that move a terminal's cursor, rename its window or type for its user
(CWE-150). Whatever Unicode does not call printable is shown as an escape: controls of both ranges, ESC, and the format
characters that turn the direction of writing.
"""

import codecs
import json
from collections.abc import Iterator
from typing import Any

from topics.record import Record
from workers.deadletters.listing import moment

_LINE_BYTES = 16
_UNPRINTABLE_SHARE = 0.1
_WHITESPACE = frozenset("\t\n\r")
_ASCII = range(0x20, 0x7F)


def printable(text: str) -> str:
    """Return the text on one line, with an escape for every character that a terminal might obey."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def safe_json(value: Any) -> str:
    """Return JSON in printable ASCII and line breaks: the same value for a program, nothing for a terminal to obey."""
    return json.dumps(value, indent=2, ensure_ascii=True)


def value_lines(value: bytes, most_bytes: int) -> Iterator[str]:
    """Give the value as lines of text if it is mostly printable UTF-8, else as a hex dump; at most so many bytes of it."""
    head = value[:most_bytes]
    text = _text(head, whole=len(head) == len(value))
    yield from hex_lines(head) if text is None else (printable(line) for line in text.split("\n"))
    if len(head) < len(value):
        yield f"... {len(value) - len(head)} more bytes: --bytes {len(value)} shows all"


def hex_lines(value: bytes) -> Iterator[str]:
    """Give sixteen bytes a line: offset, hexadecimal, and what of it is printable ASCII."""
    for start in range(0, len(value), _LINE_BYTES):
        line = value[start : start + _LINE_BYTES]
        shown = "".join(chr(byte) if byte in _ASCII else "." for byte in line)
        yield f"{start:08x}  {line.hex(' '):<{3 * _LINE_BYTES - 1}}  |{shown}|"


def record_lines(record: Record, most_bytes: int) -> Iterator[str]:
    """Give a whole record: place, time, key, headers, value."""
    yield f"letter  {printable(str(record.partition))}/{record.offset}"
    yield f"time    {moment(record.timestamp_ms)}"
    yield f"key     {_short(record.key, most_bytes)}"
    yield "headers"
    width = max((len(printable(name)) for name, _ in record.headers), default=0)
    for name, value in record.headers:
        yield f"  {printable(name):<{width}}  {_short(value, most_bytes)}".rstrip()
    if record.value is None:
        yield "value   null"
        return
    yield f"value   {len(record.value)} bytes"
    yield from value_lines(record.value, most_bytes)


def record_json(record: Record, most_bytes: int) -> dict[str, Any]:
    """Return the same for a program. Bytes are `text` when they are UTF-8, else `hex`."""
    return {
        "topic": record.partition.topic,
        "partition": record.partition.number,
        "offset": record.offset,
        "timestamp_ms": record.timestamp_ms,
        "key": _bytes_json(record.key, most_bytes),
        "headers": [{"name": name, "value": _bytes_json(value, most_bytes)} for name, value in record.headers],
        "value": _bytes_json(record.value, most_bytes),
    }


def _bytes_json(value: bytes | None, most_bytes: int) -> dict[str, Any] | None:
    if value is None:
        return None
    head = value[:most_bytes]
    try:
        return {"size_bytes": len(value), "text": _decoded(head, whole=len(head) == len(value))}
    except UnicodeDecodeError:
        return {"size_bytes": len(value), "hex": head.hex()}


def _short(value: bytes | None, most_bytes: int) -> str:
    if value is None:
        return "null"
    head = value[:most_bytes]
    text = _text(head, whole=len(head) == len(value))
    more = f" ... {len(value) - len(head)} more bytes" if len(head) < len(value) else ""
    return (f"0x{head.hex()}" if text is None else printable(text)) + more


def _text(head: bytes, *, whole: bool) -> str | None:
    try:
        text = _decoded(head, whole=whole)
    except UnicodeDecodeError:
        return None
    unprintable = sum(not c.isprintable() and c not in _WHITESPACE for c in text)
    return text if unprintable <= _UNPRINTABLE_SHARE * len(text) else None


def _decoded(head: bytes, *, whole: bool) -> str:
    """A head that was cut off may end within a character; what is left of that is not shown."""
    return codecs.getincrementaldecoder("utf-8")().decode(head, final=whole)
