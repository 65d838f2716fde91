"""Reading: exactly one `Reading` per message, whatever the model wrote. Pure.

An answer covers a question when each ref stands in it once. Refs that are missing, doubled or alien, items of the wrong
shape and codes outside the book leave their message unread; all others are read. An answer that was cut keeps its complete
items.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import orjson

from schemas.fields import UNKNOWN
from schemas.reply import ITEMS, REF, SURE, CodeBook
from schemas.verdict import Band

_MAX_WRITTEN = 2_000


class Unread(StrEnum):
    """Why an answer says nothing usable about a message."""

    NOT_JSON = "not_json"
    MISSING = "missing"
    DOUBLED = "doubled"
    MISSHAPEN = "misshapen"


@dataclass(frozen=True, slots=True)
class Read:
    """What the model said of one message: labels by name (None is unknown), values as written, and its stated band.

    `place` is the item's index among the answer's objects, for finding its tokens.
    """

    labels: Mapping[str, str | None]
    written: Mapping[str, str | None]
    band: Band | None
    place: int


Reading = Read | Unread


class Reader:
    """Reads the replies to one task's questions."""

    def __init__(self, books: Mapping[str, CodeBook], others: Sequence[str], *, banded: bool) -> None:
        self._books = {
            name: {c: None if label == UNKNOWN else label for c, label in b.labels.items()} for name, b in books.items()
        }
        self._others = tuple(others)
        self._banded = banded and bool(books)
        self._size = 1 + len(self._books) + len(self._others) + self._banded

    def read(self, content: str, refs: Sequence[str], *, cut: bool) -> list[Reading]:
        """Return one reading per ref, in the refs' order."""
        items = _items(content, cut=cut)
        if items is None:
            return [Unread.NOT_JSON] * len(refs)
        found: dict[str, Reading] = {}
        for place, item in enumerate(items):
            ref = item.get(REF) if isinstance(item, dict) else None
            if isinstance(ref, str):
                found[ref] = Unread.DOUBLED if ref in found else self._read_item(item, place)
        return [found.get(ref, Unread.MISSING) for ref in refs]

    def _read_item(self, item: dict[str, Any], place: int) -> Reading:
        if len(item) != self._size:
            return Unread.MISSHAPEN
        labels = {}
        for name, book in self._books.items():
            code = item.get(name)
            if not isinstance(code, str) or code not in book:
                return Unread.MISSHAPEN
            labels[name] = book[code]
        written: dict[str, str | None] = {}
        for name in self._others:
            value = item.get(name, 0)
            if value is not None and not (isinstance(value, str) and len(value) <= _MAX_WRITTEN):
                return Unread.MISSHAPEN
            written[name] = value or None
        band = None
        if self._banded:
            try:
                band = Band(str(item.get(SURE)))
            except ValueError:
                return Unread.MISSHAPEN
        return Read(labels, written, band, place)


def _items(content: str, *, cut: bool) -> list[Any] | None:
    try:
        reply = orjson.loads(content)
    except (orjson.JSONDecodeError, UnicodeEncodeError):
        return complete_items(content) if cut else None
    items = reply.get(ITEMS) if isinstance(reply, dict) else None
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else None


def complete_items(content: str) -> list[Any] | None:
    """Return the objects of the items array that were closed before the text was cut; linear in its length."""
    start = content.find("[")
    if start < 0:
        return None
    items, depth, opened, quoted, escaped = [], 0, 0, False, False
    for index in range(start + 1, len(content)):
        char = content[index]
        if quoted:
            quoted, escaped = (not (char == '"' and not escaped)), (char == "\\" and not escaped)
        elif char == '"':
            quoted = True
        elif char == "{":
            opened = index if depth == 0 else opened
            depth += 1
        elif char == "}":
            depth -= 1
            if depth == 0:
                items.append(_loads_or_none(content[opened : index + 1]))
            elif depth < 0:
                break
    return items


def _loads_or_none(text: str) -> Any:
    try:
        return orjson.loads(text)
    except (orjson.JSONDecodeError, UnicodeEncodeError):
        return None
