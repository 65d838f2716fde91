"""Reading: exactly one `Reading` per message, whatever the model wrote. Pure.

An answer covers a question when each ref stands in it once. Refs that are missing, doubled or alien and items of the wrong
shape leave their message unread. An item that is right in some of its fields and wrong in others (a code outside the book, a
number for a text) is imperfect: it is asked again, and what was read of it is kept in case nothing better comes. An answer
that was cut keeps its complete items.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any, NamedTuple

import orjson

from schemas.fields import UNKNOWN
from schemas.reply import ITEMS, REF, SURE, CodeBook
from schemas.verdict import Band, Doubt, Reason, Signal

_MAX_WRITTEN = 2_000
_BANDS = {band.value: band for band in Band}


class Unread(StrEnum):
    """Why an answer says nothing usable about a message."""

    NOT_JSON = "not_json"
    MISSING = "missing"
    DOUBLED = "doubled"
    MISSHAPEN = "misshapen"


class Read(NamedTuple):
    """What the model said of one message: labels by name (None is unknown), values as written, and its stated band.

    `place` is the item's index among the answer's objects, for finding its tokens; `signals` are the scores of its labels.
    """

    labels: Mapping[str, str | None]
    written: Mapping[str, str | None]
    band: Band | None
    place: int
    signals: Mapping[str, Signal] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Imperfect:
    """What was read of an answer that breaks the reply's rules in some fields: those are unknown, `wrong` says why."""

    read: Read
    wrong: tuple[Reason, ...]

    @property
    def place(self) -> int:
        return self.read.place


Reading = Read | Imperfect | Unread


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
        wrong: list[Reason] = []
        labels: dict[str, str | None] = {}
        for name, book in self._books.items():
            code = item.get(name)
            if isinstance(code, str) and code in book:
                labels[name] = book[code]
            else:
                labels[name] = None
                wrong.append(_wrong(name, "is not one of its codes"))
        written: dict[str, str | None] = {}
        for name in self._others:
            value = item.get(name, 0)
            written[name] = value or None if isinstance(value, str) and len(value) <= _MAX_WRITTEN else None
            if written[name] is None and value not in (None, ""):
                wrong.append(_wrong(name, "is neither null nor a text of a fitting length"))
        if len(wrong) >= len(labels) + len(written):
            return Unread.MISSHAPEN
        band = _band(item.get(SURE)) if self._banded else None
        if self._banded and band is None:
            wrong.append(_wrong(None, f"`{SURE}` is none of its bands"))
        if not wrong and len(item) != self._size:
            wrong.append(_wrong(None, "the reply has fields that were not asked for"))
        read = Read(labels, written, band, place)
        return Imperfect(read, tuple(wrong)) if wrong else read


def _wrong(name: str | None, what: str) -> Reason:
    return Reason(Doubt.INVALID_ANSWER, name, what)


def _band(stated: Any) -> Band | None:
    return _BANDS.get(stated) if isinstance(stated, str) else None


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
