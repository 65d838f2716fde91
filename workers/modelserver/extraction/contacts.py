"""Values that are known by their shape alone: dates, e-mail addresses, telephone numbers, IBANs."""

import re

from schemas.fields import ExtractType
from schemas.values import parse_value

_MONTH = r"(?:jan|feb|mar|apr|may|june?|july?|aug|sept?|oct|nov|dec)[a-z]{0,6}\.?"
_DATES = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"(?<![\w.-])[0-9]{4}[-/.][0-9]{1,2}[-/.][0-9]{1,2}(?![\w-])",
        r"(?<![\w./-])[0-9]{1,2}[-/.][0-9]{1,2}[-/.][0-9]{4}(?![\w-])",
        rf"(?<!\w)[0-9]{{1,2}}(?:st|nd|rd|th)?(?: of)?[ -]{_MONTH},?[ -][0-9]{{4}}(?!\w)",
        rf"(?<!\w){_MONTH} [0-9]{{1,2}}(?:st|nd|rd|th)?,? [0-9]{{4}}(?!\w)",
    )
)
_EMAIL = re.compile(r"(?<![\w.@+-])[\w.!#$%&'*+/=?^`{|}~-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8}")
_PHONE = re.compile(r"(?<![\w/.#-])\+?\(?[0-9][0-9 ()./-]{5,24}[0-9](?![\w/-])")
_IBAN = re.compile(r"\b[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]){11,30}\b")
_LEAST_PHONE_DIGITS = 9


def find_date(text: str) -> str | None:
    """Return the first full date."""
    found = [m for pattern in _DATES for m in pattern.finditer(text)]
    ordered = sorted(found, key=lambda m: m.start())
    return next((m[0] for m in ordered if parse_value(ExtractType.DATE, m[0]) is not None), None)


def find_email(text: str) -> str | None:
    """Return the first e-mail address."""
    candidates = (m[0].rstrip(".-") for m in _EMAIL.finditer(text))
    return next((value for value in candidates if parse_value(ExtractType.EMAIL, value) is not None), None)


def find_phone(text: str) -> str | None:
    """Return the first telephone number: it is grouped, or begins with + or 0. A bare row of digits is a reference."""
    for found in _PHONE.finditer(text):
        value = found[0].strip()
        digits = sum(map(str.isdigit, value))
        grouped = value[0] in "+(0" or len(re.findall(r"[0-9]+", value)) > 2  # noqa: PLR2004  # 10.50 is no telephone
        is_date = parse_value(ExtractType.DATE, value) is not None
        if digits >= _LEAST_PHONE_DIGITS and grouped and not is_date and parse_value(ExtractType.PHONE, value) is not None:
            if value.isdigit() and not _named_phone(text, found.start()):
                continue
            return value
    return None


def find_iban(text: str) -> str | None:
    """Return the first IBAN with right check digits, without words in capitals that follow it."""
    for found in _IBAN.finditer(text):
        parts = found[0].split(" ")
        for last in range(len(parts), 0, -1):
            value = " ".join(parts[:last])
            if parse_value(ExtractType.IBAN, value) is not None:
                return value
    return None


def _named_phone(text: str, place: int) -> bool:
    """Whether a word for telephone stands within 30 characters before."""
    return (
        re.search(r"\b(?:phone|tel|telephone|mobile|cell|call|number|whatsapp)\b", text[max(0, place - 30) : place].lower())
        is not None
    )
