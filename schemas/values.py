"""Extracted values: is what the model copied really in the text, and what is it in normal form.

Both functions are total: they take any string a model may return, in linear time, and answer instead of raising.
"""

import re
import unicodedata
from typing import TypeAlias, assert_never

from schemas.amounts import money, number
from schemas.currencies import SIGNS, currency_code
from schemas.dates import iso_date
from schemas.fields import ExtractType

Value: TypeAlias = str | int | dict[str, str | None]
"""Ready for JSON. Decimals and amounts are strings, so that no reader rounds them."""

WRITTEN_CHARS = 1_024
"""Longest extracted value, in characters; anything longer is a passage, not a value."""

_PHONE = re.compile(r"\+?[0-9 ()./-]+")
_PHONE_DIGITS = range(7, 16)  # at most 15 by ITU-T E.164
_IBAN = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}")
_LOCAL_PART = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}")
_DOMAIN_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_DOMAIN_CHARS = 253  # RFC 1035
_LARGEST_INTEGER = 2**53 - 1  # what every JSON reader keeps exactly (RFC 8259, 6)
_SIGN_LETTERS = 3  # one more than stand before any currency's sign, so that the end of a word is none
_MARKS_IN_A_ROW = 30  # Unicode's stream-safe limit (UAX 15); normalising a longer row takes quadratic time


def parse_value(type: ExtractType, written: str) -> Value | None:  # noqa: A002  # the word of the task file
    """Return the normal form of what was written, or None if it is not such a value.

    - string, person, organisation: trimmed, each run of white space one space
    - integer: an int up to 2**53 - 1; decimal: `"1234.50"` (see `schemas.amounts`)
    - money: `{"amount": "12.30", "currency": "GBP"}`, currency None where none is written
    - currency: `"GBP"`, from a code, sign or word; date: `"2016-11-15"` (see `schemas.dates`)
    - email: domain in lower case; phone: digits, with + if written; iban: no spaces, ISO 13616 check digits right
    """
    written = " ".join(written.split())
    if len(written) > WRITTEN_CHARS:
        return None
    if not written.isprintable() and any(unicodedata.category(char) in ("Cc", "Cs") for char in written):
        return None
    match type:
        case ExtractType.STRING | ExtractType.PERSON | ExtractType.ORGANISATION:
            return written or None
        case ExtractType.INTEGER:
            return _integer(number(_normal(written)))
        case ExtractType.DECIMAL:
            return number(_normal(written))
        case ExtractType.MONEY:
            found = money(_normal(written))
            return None if found is None else {"amount": found[0], "currency": found[1]}
        case ExtractType.CURRENCY:
            return currency_code(_normal(written).strip())
        case ExtractType.DATE:
            return iso_date(_normal(written))
        case ExtractType.EMAIL:
            return _email(written)
        case ExtractType.PHONE:
            return _phone(_normal(written).strip())
        case ExtractType.IBAN:
            return _iban("".join(_normal(written).split()).upper())
    assert_never(type)


def stands_in(text: str, written: str) -> bool:
    """Return whether `written` stands in `text` as whole tokens, compared without case, width and spacing.

    Both sides are folded (NFKC, case folding, one space for white space). A match must begin and end at a token's border, so
    `12` stands neither in `4123` nor in `12.50`, and `$12` not in `A$12`, which is another currency. Scripts written without
    spaces between words have a border everywhere.
    """
    wanted = _folded(written) if len(written) <= WRITTEN_CHARS else ""
    if not wanted or len(wanted) > 2 * WRITTEN_CHARS:
        return False
    # Nothing in it spans white space: how wide that is makes no difference, and most of the folding is spared.
    within = text.lower() if text.isascii() and " " not in wanted else _folded(text)
    start = within.find(wanted)
    while start >= 0:
        if not _joined(within, start) and not _joined(within, start + len(wanted)):
            return True
        start += 1
        while _joined(within, start):
            start += 1
        start = within.find(wanted, start)
    return False


def _normal(text: str) -> str:
    """Return the text after NFKC, with rows of combining marks cut to what can be normalised in linear time."""
    if text.isascii():
        return text
    kept, row = [], 0
    for char in text:
        row = row + 1 if unicodedata.combining(char) else 0
        if row <= _MARKS_IN_A_ROW:
            kept.append(char)
    return unicodedata.normalize("NFKC", "".join(kept))


def _folded(text: str) -> str:
    if text.isascii():
        return " ".join(text.lower().split())
    return " ".join(_normal(_normal(text).casefold()).split())


def _joined(text: str, place: int) -> bool:
    """Return whether the characters on both sides of `place` belong to one token."""
    if place <= 0 or place >= len(text):
        return False
    left, right = text[place - 1], text[place]
    category = unicodedata.category(right)
    if category.startswith("M"):
        return True
    if category == "Sc" and left.isalpha():
        start = place - 1
        while start > 0 and place - start < _SIGN_LETTERS and text[start - 1].isalpha():
            start -= 1
        return text[start : place + 1].lower() in SIGNS  # the dollar of A$12 is another one
    if left.isalnum() and right.isalnum():
        return not (_spaceless(left) or _spaceless(right))
    if left.isdigit() and right in ".,":
        return text[place + 1 : place + 2].isdigit()
    if left in ".," and right.isdigit():
        return text[max(place - 2, 0) : place - 1].isdigit()
    return False


def _spaceless(char: str) -> bool:
    """Return whether the script needs no spaces between words: Thai, Lao, Burmese, Khmer, and East Asian scripts."""
    return char >= "\u2e80" or "\u0e00" <= char <= "\u0eff" or "\u1000" <= char <= "\u109f" or "\u1780" <= char <= "\u17ff"


def _integer(digits: str | None) -> int | None:
    if digits is None or "." in digits:
        return None
    value = int(digits)
    return value if abs(value) <= _LARGEST_INTEGER else None


def _email(written: str) -> str | None:
    local, _, domain = written.rpartition("@")
    labels = domain.lower().split(".")
    well_formed = _LOCAL_PART.fullmatch(local) and not local.startswith(".") and not local.endswith(".") and ".." not in local
    if not well_formed or len(labels) < 2 or len(domain) > _DOMAIN_CHARS or labels[-1].isdigit():  # noqa: PLR2004  # name and zone
        return None
    return f"{local}@{domain.lower()}" if all(_DOMAIN_LABEL.fullmatch(label) for label in labels) else None


def _phone(written: str) -> str | None:
    if not _PHONE.fullmatch(written):
        return None
    plus = written.startswith("+")
    # +44 (0)20: the trunk zero is dialled inside the country only.
    digits = "".join(char for char in (written.replace("(0)", "") if plus else written) if char.isdigit())
    return f"{'+' if plus else ''}{digits}" if len(digits) in _PHONE_DIGITS else None


def _iban(written: str) -> str | None:
    if not _IBAN.fullmatch(written):
        return None
    # ISO 7064 MOD 97-10 over the number with country and check digits at the end, letters as 10 to 35.
    number_ = int("".join(str(int(char, 36)) for char in written[4:] + written[:4]))
    return written if number_ % 97 == 1 else None
