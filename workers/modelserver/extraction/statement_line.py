"""Lines of a statement: a date, then who was paid, then an amount with its currency. `2016-11-15 pearson ed ltd 74.70 GBP`."""

import re
from dataclasses import dataclass

from schemas.currencies import MINOR_UNITS

_LINE = re.compile(
    r"\s*(?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{1,2}[/.][0-9]{1,2}[/.][0-9]{2,4})\s+(?P<middle>\S.{0,200}?)"
    r"\s+(?P<amount>[-+]?[0-9][0-9,.']{0,18})\s*(?P<currency>[A-Z]{3})\s*"
)
_CARD = re.compile(r"\s*\b(?:card|kartennr|carte)[ _:.#]*[x*0-9a-f]{4,16}\b\s*|\s*[x*]{2,}[ -]?[0-9]{4}\b\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class StatementLine:
    """The parts of a line, each as written: `merchant` without a card's reference, `money` is amount and currency."""

    date: str
    merchant: str
    amount: str
    currency: str
    money: str


def statement_line(text: str) -> StatementLine | None:
    """Return the parts of the line, or None if the text is not one."""
    found = _LINE.fullmatch(text)
    if found is None or found["currency"] not in MINOR_UNITS:
        return None
    merchant = max((part.strip() for part in _CARD.split(found["middle"])), key=len, default="")
    if not merchant:
        return None
    money = text[found.start("amount") : found.end("currency")]
    return StatementLine(found["date"], merchant, found["amount"], found["currency"], money)


def essence(text: str) -> str:
    """Return what a label is decided by: of a statement line the merchant, since dates and amounts only blur the vector."""
    line = statement_line(text)
    return text if line is None else line.merchant
