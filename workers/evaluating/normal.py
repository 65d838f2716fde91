"""Normal forms: when a gold value and a published one are the same. Pure."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from schemas.fields import UNKNOWN, ExtractField, ExtractType, LabelField, SentimentField, TaskField
from schemas.values import parse_value

Measured = LabelField | SentimentField | ExtractField
"""Fields that can be right or wrong. A free text cannot."""


def is_measured(field: TaskField) -> bool:
    return isinstance(field, Measured)


def normal_label(value: Any) -> str:
    """Return the label; null is `unknown`, which is a class like any other."""
    return UNKNOWN if value is None else str(value)


def normal_value(field: ExtractField, value: Any) -> str | None:
    """Return a text that is equal for equal values, or None for none.

    Both sides go through `schemas.values.parse_value`; numbers are compared as numbers, so `34.9` is `34.90`. What is no
    value of the field's type keeps its own text, and so matches only itself.
    """
    if value is None:
        return None
    written = _written(value)
    parsed = parse_value(field.type, written)
    if parsed is None:
        return " ".join(written.split())
    if isinstance(parsed, Mapping):
        return f"{_number(str(parsed['amount']))} {parsed['currency'] or ''}".rstrip()
    return _number(str(parsed)) if field.type in (ExtractType.INTEGER, ExtractType.DECIMAL) else str(parsed)


def _written(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"{value.get('amount', '')} {value.get('currency') or ''}".strip()
    return str(value)


def _number(digits: str) -> str:
    try:
        return format(Decimal(digits).normalize(), "f")
    except InvalidOperation:
        return digits
