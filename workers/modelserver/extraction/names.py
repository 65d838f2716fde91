"""Names of persons and organisations, by titles, capitals and the words around them. English."""

import re

from workers.modelserver.extraction.statement_line import statement_line

_CAPITALISED = r"[A-Z\u00c0-\u00de][\w'\u2019-]{1,30}"
_TITLE = r"(?:Mr|Mrs|Ms|Miss|Mx|Dr|Prof|Sir|Madam|Lady|Lord)\.?"
_TITLED = re.compile(rf"(?<!\w){_TITLE} (?:{_CAPITALISED}|[A-Z]\.)(?: {_CAPITALISED}){{0,3}}")
_LOWER_TITLED = re.compile(r"(?<!\w)(?:mr|mrs|ms|miss|dr|prof)\.? [a-z][a-z'-]{2,30}(?!\w)", re.IGNORECASE)
_FULL_NAME = re.compile(rf"(?<![\w.])(?:{_CAPITALISED})(?: [A-Z]\.)?(?: {_CAPITALISED}){{1,3}}(?!\w)")
_INTRODUCED = r"(?i:my name is|name is|i am|i'm|this is|called|regards,?|sincerely,?|behalf of)"
_AFTER_WORD = re.compile(rf"(?<!\w){_INTRODUCED}\s+({_CAPITALISED}(?: {_CAPITALISED}){{0,3}})")
_LEGAL_FORM = (
    r"(?:Ltd|Limited|Inc|LLC|LLP|PLC|plc|GmbH|AG|SE|SA|BV|Corp|Corporation|Company|Co|Bank|Group|University|Council)(?!\w)\.?"
)
_PART = rf"(?:{_CAPITALISED}|[A-Z&]{{2,10}})"
_ORGANISATION = re.compile(rf"(?<!\w){_PART}(?: (?:{_PART}|&|and|of)){{0,5}},? {_LEGAL_FORM}")
# Words that are capitalised without being a name.
_NOT_NAMES = frozenset(
    """
    i a an the my your our his her its this that these those hi hello hey dear thanks thank please yes no ok okay good
    morning afternoon evening when where why what which who how can could will would should do does did is are was were
    have has had may if in on at to for from of and or but not monday tuesday wednesday thursday friday saturday sunday
    january february march april june july august september october november december premium gold platinum free freemium
    standard pro account card order invoice bill refund visa mastercard paypal apple google pay pin app atm help need want
    """.split()  # noqa: SIM905  # a list of words is read as one
)


def find_person(text: str) -> str | None:
    """Return a titled name, else a name after words such as `my name is`, else two or more capitalised words in a row."""
    if titled := _TITLED.search(text):
        return titled[0]
    for found in _AFTER_WORD.finditer(text):
        if not _is_common(found[1]):
            return found[1]
    for found in _FULL_NAME.finditer(text):
        if not any(_is_common(word) for word in found[0].split()) and not found[0].isupper():
            return found[0]
    lower = _LOWER_TITLED.search(text)
    return lower[0] if lower else None


def find_organisation(text: str) -> str | None:
    """Return the merchant of a statement line, else a name with a word for its legal form."""
    if line := statement_line(text):
        return line.merchant
    found = _ORGANISATION.search(text)
    return found[0] if found else None


def _is_common(words: str) -> bool:
    return words.split(" ", 1)[0].lower().strip("'.") in _NOT_NAMES
