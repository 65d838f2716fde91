"""Numbers and amounts of money as people write them."""

import re

from schemas.currencies import MINOR_UNITS, currency_code, one_currency

_MOST_DIGITS = 30  # more than any account holds; keeps what is built from untrusted text small
_SEPARATORS = frozenset(",. '")
_PLAIN = re.compile(r"[0-9]+")
# Only commas group by two as well: 12,34,567 is the Indian way.
_GROUPED = {
    ",": re.compile(r"[1-9][0-9]{0,2}(?:,[0-9]{2,3})*,[0-9]{3}"),
    ".": re.compile(r"[1-9][0-9]{0,2}(?:\.[0-9]{3})+"),
    " ": re.compile(r"[1-9][0-9]{0,2}(?: [0-9]{3})+"),
    "'": re.compile(r"[1-9][0-9]{0,2}(?:'[0-9]{3})+"),
}


def number(written: str) -> str | None:
    """Return the number in canonical form (`-1234.50`: a point, no groups, decimals as written), or None.

    Groups may be made with a comma, point, space or apostrophe, and the decimal sign may be a point or a comma. Where there
    is one separator it is read the English way: `1,234` is a thousand and more, `1.234` is one and more. Minus stands in
    front, behind, or is a pair of brackets. `written` is after NFKC.
    """
    sign, body = _signed(_simplified(written))
    digits = _unsigned(body)
    if digits is None or sum(map(str.isdigit, digits)) > _MOST_DIGITS:
        return None
    return _canonical(sign, digits)


def money(written: str) -> tuple[str, str | None] | None:
    """Return the amount and its ISO 4217 code (None where no currency is written), or None if this is not money.

    The code, sign or word may stand before or after the amount. The amount has all digits of the currency's minor unit
    (`12.30 GBP`, `1200 JPY`); one with more decimals than the currency has is a rate or is misread, so it is refused.
    """
    text = _simplified(written)
    outer, text = ("-", text[1:-1].strip()) if text.startswith("(") and text.endswith(")") else ("", text)
    places = [place for place, char in enumerate(text) if char in "0123456789"]
    if not places:
        return None
    start, end = places[0], places[-1] + 1
    if text[:start] in (".", "$.", "£.", "€."):
        start -= 1
    before, minus_before = _unit(text[:start])
    after, minus_after = _unit(text[end:])
    amount = number(text[start:end])
    if amount is None or len(outer) + minus_before + minus_after > 1:
        return None
    if minus_before or minus_after or outer:
        amount = _canonical("-", amount)
    if not before and not after:
        return amount, None
    code = one_currency(before, after) if before and after else currency_code(before or after)
    exact = None if code is None else _in_minor_units(amount, MINOR_UNITS[code])
    return None if exact is None else (exact, code)


def _simplified(written: str) -> str:
    """Return the text with one kind of space, minus and apostrophe, as a dictionary would print it."""
    text = " ".join(written.split())
    return text.replace("\u2212", "-").replace("\u2013", "-").replace("\u2019", "'")


def _signed(text: str) -> tuple[str, str]:
    if text.startswith("(") and text.endswith(")"):
        return "-", text[1:-1].strip()
    if text.endswith("-"):
        return "-", text[:-1].rstrip()
    if text[:1] in ("-", "+"):
        return text[0].replace("+", ""), text[1:].lstrip()
    return "", text


def _unsigned(body: str) -> str | None:
    """Return digits with at most one point, or None."""
    separators = [char for char in body if char not in "0123456789"]
    kinds = set(separators)
    if not kinds <= _SEPARATORS:
        return None
    if not kinds:
        return body or None
    last = separators[-1]
    if len(kinds) == 1:
        if len(separators) == 1 and last in ",." and not (last == "," and _GROUPED[","].fullmatch(body)):
            return _with_point(*body.split(last))
        return body.replace(last, "") if _GROUPED[last].fullmatch(body) else None
    head, _, tail = body.rpartition(last)
    group = separators[0]
    if len(kinds) > 2 or last not in ",." or last in head or not _GROUPED[group].fullmatch(head):  # noqa: PLR2004  # groups, point
        return None
    return _with_point(head.replace(group, ""), tail)


def _with_point(whole: str, fraction: str) -> str | None:
    return f"{whole or '0'}.{fraction}" if _PLAIN.fullmatch(fraction) else None


def _canonical(sign: str, digits: str) -> str:
    whole, point, fraction = digits.partition(".")
    whole = whole.lstrip("0") or "0"
    return f"{sign if digits.strip('0.') else ''}{whole}{point}{fraction}"


def _unit(text: str) -> tuple[str, bool]:
    """Return what stands beside the digits without a sign, and whether the sign was a minus."""
    unit = text.strip()
    for sign in ("-", "+"):
        if unit.startswith(sign) or unit.endswith(sign):
            return unit.removeprefix(sign).removesuffix(sign).strip(), sign == "-"
    return unit, False


def _in_minor_units(amount: str, digits: int) -> str | None:
    whole, _, fraction = amount.partition(".")
    if fraction[digits:].strip("0"):
        return None
    fraction = fraction[:digits].ljust(digits, "0")
    return f"{whole}.{fraction}" if digits else whole
