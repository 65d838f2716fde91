"""Check digits: whether a number was copied as it was given out. Total: any text is answered."""

import re
from enum import StrEnum
from typing import assert_never

_MOST_CHARS = 64
_DIGITS = re.compile(r"[0-9]{2,}")
_LETTERS_TOO = re.compile(r"[A-Z0-9]{3,}")


class Scheme(StrEnum):
    """How check digits are made."""

    LUHN = "luhn"  # payment cards, IMEI (ISO/IEC 7812-1, annex B)
    MOD97 = "mod97"  # the last two of a LEI (ISO/IEC 7064 MOD 97-10)
    MOD97_FRONT = "mod97_front"  # the same, moved behind the letters in front: IBAN (ISO 13616), RF references (ISO 11649)


def digits_right(scheme: Scheme, written: str) -> bool:
    """Return whether the check digits are right. Spaces and hyphens do not count, small letters are capitals."""
    text = re.sub(r"[\s-]", "", written[: 2 * _MOST_CHARS]).upper()
    if len(text) > _MOST_CHARS or not text.isascii():
        return False
    match scheme:
        case Scheme.LUHN:
            return _DIGITS.fullmatch(text) is not None and _luhn(text)
        case Scheme.MOD97:
            return _LETTERS_TOO.fullmatch(text) is not None and _mod97(text)
        case Scheme.MOD97_FRONT:
            return len(text) > 4 and _LETTERS_TOO.fullmatch(text) is not None and _mod97(text[4:] + text[:4])  # noqa: PLR2004  # two letters, two digits
        case _:
            assert_never(scheme)


def _luhn(digits: str) -> bool:
    doubled = (sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return (sum(doubled) + sum(map(int, digits[-1::-2]))) % 10 == 0


def _mod97(text: str) -> bool:
    return int("".join(str(int(char, 36)) for char in text)) % 97 == 1
