"""Grounding by value: a number, an amount, a currency or a date that stands in the text, only written otherwise."""

from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation

from schemas.fields import ExtractType
from schemas.values import Value, parse_value, stands_in

_WORDS = {
    ExtractType.INTEGER: 3,
    ExtractType.DECIMAL: 3,
    ExtractType.MONEY: 4,
    ExtractType.CURRENCY: 2,
    ExtractType.DATE: 5,
}
"""How many words such a value may take; other types have no normal form that differs from what is written."""

_MOST_WORDS = 500  # of a text: so much is searched in some milliseconds; beyond it values stand as written or not at all
_MARKS = ".,;:!?\"'"
_BRACKETS = "()[]{}<>"


def written_for(type: ExtractType, text: str, value: Value) -> str | None:  # noqa: A002  # the word of the task file
    """Return how the value, a normal form of this type, stands in the text as whole tokens; None if it does not."""
    wanted = _comparable(value)
    for candidate in _candidates(type, text):
        parsed = parse_value(type, candidate)
        if parsed is not None and _comparable(parsed) == wanted and stands_in(text, candidate):
            return candidate
    return None


def _candidates(kind: ExtractType, text: str) -> Iterator[str]:
    words = text.split(maxsplit=_MOST_WORDS)[:_MOST_WORDS]
    numeric = kind is not ExtractType.CURRENCY
    for start in range(len(words)):
        for count in range(1, _WORDS.get(kind, 0) + 1):
            window = " ".join(words[start : start + count])
            if numeric and not any(char.isdigit() for char in window):
                continue
            bare = window.strip(_MARKS)
            yield bare
            if (bracketless := bare.strip(_MARKS + _BRACKETS)) != bare:
                yield bracketless


def _comparable(value: Value) -> tuple[object, ...]:
    if isinstance(value, Mapping):
        return _number(str(value["amount"])), value["currency"]
    return (_number(str(value)),)


def _number(text: str) -> Decimal | str:
    try:
        return Decimal(text)
    except InvalidOperation:
        return text
