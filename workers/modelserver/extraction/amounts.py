"""Amounts, currencies and numbers in a text."""

import re
from collections.abc import Iterator

from schemas.currencies import MINOR_UNITS, SIGNS, currency_code
from schemas.fields import ExtractType
from schemas.values import parse_value
from workers.modelserver.extraction.contacts import find_date, find_email, find_iban, find_phone
from workers.modelserver.extraction.keywords import key_words, nearest
from workers.modelserver.extraction.statement_line import statement_line
from workers.modelserver.labeller import ExtractQuestion

_DIGITS = r"[0-9](?:[0-9,.']{0,24}[0-9])?"
_NUMBER = re.compile(rf"(?<![\w.,#-])[-+]?{_DIGITS}(?![\w#])")
_BEFORE = re.compile(r"(?:^|(?<=[\s(:]))(?:-\s?)?(?P<unit>[A-Za-z]{0,3}[$£€¥₹₽₩₺₴₪₫฿]|[A-Z]{3})\s?" + _DIGITS + r"(?![\w])")
_AFTER = re.compile(r"(?<![\w.,#])[-+]?" + _DIGITS + r"\s?(?P<unit>[$£€¥₹₽₩₺₴₪₫฿]|[A-Za-z]{2,10}(?![A-Za-z]))")
_SIGN_OR_CODE = re.compile(r"[$£€¥₹₽₩₺₴₪₫฿]|\b[A-Z]{3}\b|\b[A-Za-z]{3,10}\b")


def find_money(text: str) -> str | None:
    """Return the first amount with a currency before or behind it."""
    if line := statement_line(text):
        return line.money
    return next(_amounts(text), None)


def find_decimal(text: str) -> str | None:
    """Return a statement line's amount, else the first amount's number, else the first number with decimals, else any."""
    if line := statement_line(text):
        return line.amount
    if amount := next(_amounts(text), None):
        found = re.search(r"-?" + _DIGITS, amount)
        return found[0] if found else None
    numbers = _bare_numbers(text)
    return next((n for n in numbers if "." in n or "," in n), numbers[0] if numbers else None)


def find_integer(text: str, question: ExtractQuestion) -> str | None:
    """Return the whole number nearest to the words of the question, else the only one."""
    numbers = [(m.start(), m[0]) for m in _NUMBER.finditer(text) if parse_value(ExtractType.INTEGER, m[0]) is not None]
    taken = [value for value in (find_date(text), find_money(text), find_phone(text)) if value]
    free = [(place, number) for place, number in numbers if not any(number in value for value in taken)]
    if (found := nearest(text, free, key_words(question))) is not None:
        return found
    return free[0][1] if len(free) == 1 else None


def find_currency(text: str) -> str | None:
    """Return the currency of the first amount, else the first currency named."""
    if line := statement_line(text):
        return line.currency
    for pattern in (_BEFORE, _AFTER):
        for found in pattern.finditer(text):
            if _is_unit(found["unit"]):
                return found["unit"]
    return next((m[0] for m in _SIGN_OR_CODE.finditer(text) if _is_unit(m[0]) or m[0].lower() in _NAMES), None)


_NAMES = frozenset(name for name in SIGNS if name.isalpha() and len(name) > 3)  # noqa: PLR2004  # words, not codes


def _amounts(text: str) -> Iterator[str]:
    found = [m for pattern in (_BEFORE, _AFTER) for m in pattern.finditer(text) if _is_unit(m["unit"])]
    for match in sorted(found, key=lambda m: m.start()):
        value = match[0].strip()
        if parse_value(ExtractType.MONEY, value) is not None:
            yield value


def _is_unit(unit: str) -> bool:
    """Codes count in capitals only: `all` and `try` are words before they are currencies."""
    if unit.isalpha() and len(unit) == 3:  # noqa: PLR2004  # ISO 4217
        return unit in MINOR_UNITS
    return currency_code(unit) is not None or unit in "$£€¥"


def _bare_numbers(text: str) -> list[str]:
    taken = [value for value in (find_date(text), find_email(text), find_phone(text), find_iban(text)) if value]
    return [m[0] for m in _NUMBER.finditer(text) if not any(m[0] in value for value in taken)]
