"""References: what a task's own pattern describes, or the number behind the words of the question."""

import re
from functools import lru_cache

from schemas.patterns import unsafe_pattern
from workers.modelserver.extraction.keywords import key_words, nearest, owner
from workers.modelserver.labeller import ExtractQuestion

_WITH_DIGIT = re.compile(r"(?<![\w#])#?(?=[\w/-]{0,30}[0-9])\w[\w/-]{1,30}(?![\w])")
_MOST_PATTERNS = 256


def find_reference(text: str, question: ExtractQuestion) -> str | None:
    """Return the match that stands behind a word of the question, or, with a pattern, one that nothing else claims.

    A pattern that is not safe to run (`schemas.patterns`) finds nothing.
    """
    pattern = _WITH_DIGIT if question.pattern is None else _compiled(question.pattern)
    if pattern is None:
        return None
    candidates = [(m.start(), m[0]) for m in pattern.finditer(text) if m[0].strip() and _stands_alone(text, m)]
    found = nearest(text, candidates, key_words(question))
    if found is not None or question.pattern is None:
        return found
    return next((value for place, value in candidates if owner(text, place) is None), None)


def _stands_alone(text: str, found: re.Match[str]) -> bool:
    """Whether the match is no part of a longer word or number."""
    before, after = text[: found.start()][-1:], text[found.end() : found.end() + 2]
    if before.isalnum() or after[:1].isalnum():
        return False
    return not (after[:1] in (".", ",") and after[1:].isdigit()) and before not in ("$", "£", "€")


@lru_cache(maxsize=_MOST_PATTERNS)
def _compiled(pattern: str) -> re.Pattern[str] | None:
    return None if unsafe_pattern(pattern) is not None else re.compile(pattern)
