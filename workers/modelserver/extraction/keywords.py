"""Which number belongs to a question: the one behind a word of the question, not behind a word for something else."""

import re
from collections.abc import Sequence

from workers.modelserver.labeller import ExtractQuestion

_WORD = re.compile(r"[a-z]+")
_EMPTY_WORDS = frozenset(
    """
    a an and as by for from if in is it its of on or that the their this to with id no nr ref reference number code value
    name named field text such one none given written customer customers user
    """.split()  # noqa: SIM905  # a list of words is read as one
)
# Words for things that carry a number of their own. A number behind one of them answers no question about another.
_OWNERS = frozenset(
    """
    order purchase invoice bill account card ticket case booking reservation transaction payment transfer policy contract
    claim parcel shipment tracking passport phone refund receipt iban pin serial
    """.split()  # noqa: SIM905  # a list of words is read as one
)
_REACH = 48  # characters before a number in which its owner is looked for


def key_words(question: ExtractQuestion) -> frozenset[str]:
    """Return the words of the question's name and description that say what is asked for."""
    words = _WORD.findall(f"{question.name.replace('_', ' ')} {question.description}".lower())
    return frozenset(_singular(word) for word in words) - _EMPTY_WORDS


def owner(text: str, place: int) -> str | None:
    """Return the last word for something numbered that stands in the same line before this place, or None."""
    before = text[max(0, place - _REACH) : place].lower().rpartition("\n")[2]
    words = [_singular(word) for word in _WORD.findall(before)]
    return next((word for word in reversed(words) if word in _OWNERS), None)


def nearest(text: str, candidates: Sequence[tuple[int, str]], words: frozenset[str]) -> str | None:
    """Return the first candidate (place, value) whose owner or last words before it are among the words, or None."""
    for place, value in candidates:
        whose = owner(text, place)
        before = {_singular(word) for word in _WORD.findall(text[max(0, place - _REACH) : place].lower())[-4:]}
        if whose in words or (whose is None and before & words):
            return value
    return None


def _singular(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word  # noqa: PLR2004  # `yes`, `gas`
