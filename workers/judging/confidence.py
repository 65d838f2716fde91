"""Confidence in a label from the log-probabilities of its tokens. Pure.

Labels travel as codes (`schemas.reply`), so one token usually decides a label. For a label field of an item: find its value
in the answer's bytes, take the tokens over it, and at the first place where the codes part ways compare the code's share
with all codes' share:

    p(label) = sum of exp(logprob) over alternatives that begin this code / the same over alternatives that begin any code

The denominator is the *mass*: near one when the model wanted to answer with a code at all. Later tokens of a longer code
are multiplied in while more than one code is still possible; forced ones are skipped, or long codes would look unsure.

Providers report strange things; the signal is refused (`NotScored`), never repaired, when a log-probability is -9999 or
otherwise below -90, when the chosen token is not among its alternatives with the same log-probability, when the tokens do
not spell the answer, or when a value cannot be found (openai-python #2227, #2257).
"""

import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import accumulate
from math import exp

from schemas.reply import CodeBook
from schemas.verdict import Confidence, NotScored

TokenRow = tuple[bytes, float, Sequence[tuple[bytes, float]]]

_IMPOSSIBLE = -90.0
_TOLERANCE = 1e-3
_TRIM = b' \t\r\n":,{}[]'


class Scorer:
    """Scores the labels of one task's answers."""

    def __init__(self, books: Mapping[str, CodeBook]) -> None:
        self._codes = {name: tuple(code.encode() for code in book.codes) for name, book in books.items()}
        # The key as JSON writes it, so that the same words inside a quoted value (`\"intent\":`) are not taken for it.
        self._keys = {name: re.compile(rb'(?<!\\)"' + name.encode() + rb'"\s*:\s*"') for name in books}

    def score(self, content: str, tokens: Sequence[TokenRow], items: int) -> list[Mapping[str, Confidence | NotScored]]:
        """Return, for each of the answer's `items` in order, the confidence of each label field."""
        if not tokens:
            return [dict.fromkeys(self._codes, NotScored("the answer has no log-probabilities"))] * items
        raw = content.encode()
        ends = list(accumulate(len(text) for text, _, _ in tokens))
        shift = b"".join(text for text, _, _ in tokens).find(raw)
        if shift < 0:
            return [dict.fromkeys(self._codes, NotScored("the tokens do not spell the answer"))] * items
        columns = {name: self._column(name, raw, tokens, ends, shift, items) for name in self._codes}
        return [{name: column[place] for name, column in columns.items()} for place in range(items)]

    def _column(  # noqa: PLR0917  # six views of one answer, private
        self, name: str, raw: bytes, tokens: Sequence[TokenRow], ends: Sequence[int], shift: int, items: int
    ) -> list[Confidence | NotScored]:
        starts = [match.end() for match in self._keys[name].finditer(raw)]
        if len(starts) != items:
            return [NotScored("the label's place in the answer is not clear")] * items
        results: list[Confidence | NotScored] = []
        for place, start in enumerate(starts):
            end = raw.find(b'"', start)
            code = raw[start:end]
            scored = _share(code, self._codes[name], _over(tokens, ends, shift + start, shift + end))
            results.append(scored if isinstance(scored, NotScored) else Confidence(*scored, batch_size=items, place=place))
        return results


def _over(tokens: Sequence[TokenRow], ends: Sequence[int], start: int, end: int) -> list[tuple[TokenRow, int]]:
    """Return the tokens that overlap the bytes [start, end), each with how many of these bytes come before it."""
    first = bisect_right(ends, start)
    chosen = []
    for index in range(first, len(tokens)):
        begins = ends[index] - len(tokens[index][0])
        if begins >= end:
            break
        chosen.append((tokens[index], max(0, begins - start)))
    return chosen


def _share(code: bytes, codes: Sequence[bytes], over: Sequence[tuple[TokenRow, int]]) -> tuple[float, float] | NotScored:
    if code not in codes or not over:
        return NotScored("the label's tokens cannot be found")
    probability, mass = 1.0, 1.0
    for (text, logprob, alternatives), before in over:
        open_codes = [c for c in codes if c.startswith(code[:before])]
        if len(open_codes) == 1:
            break  # forced from here on
        if (fault := _fault(text, logprob, alternatives)) is not None:
            return NotScored(fault)
        ours = theirs = 0.0
        for other, other_logprob in alternatives:
            rest = other.strip(_TRIM)
            begun = [c for c in open_codes if rest and c[before:].startswith(rest)]
            if begun:
                theirs += exp(other_logprob)
                ours += exp(other_logprob) * (code in begun)
        if theirs <= 0.0:
            return NotScored("no label is among the alternatives")
        probability *= ours / theirs
        mass = min(mass, theirs)
    return min(1.0, probability), min(1.0, mass)


def _fault(text: bytes, logprob: float, alternatives: Sequence[tuple[bytes, float]]) -> str | None:
    if not alternatives:
        return "the answer lists no alternatives"
    if not _IMPOSSIBLE < logprob <= _TOLERANCE:
        return "the chosen token has an impossible log-probability"
    if not any(other == text and abs(other_logprob - logprob) <= _TOLERANCE for other, other_logprob in alternatives):
        return "the chosen token is not among its alternatives"
    return None
