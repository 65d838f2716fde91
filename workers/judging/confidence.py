"""Confidence in a label from the log-probabilities of its tokens. Pure.

Labels travel as codes (`schemas.reply`), so one token usually decides a label. For a label field of an item: find its value
in the answer's bytes, take the tokens over it, and at the first place where the codes part ways compare the code's share
with all codes' share:

    p(label) = sum of exp(logprob) over alternatives that begin this code / the same over alternatives that begin any code

The denominator is the *mass*: near one when the model wanted to answer with a code at all. Where what is no code is likelier
than all codes together, the schema forced a code that the model did not mean, and there is no signal. Later tokens of a longer
code are multiplied in while more than one code is still possible; forced ones are skipped, or long codes would look unsure.

Providers report strange things; the signal is refused (`NotScored`), never repaired, when the chosen token's log-probability
is -9999 or otherwise below -90, when any is above zero, when the chosen token is not among its alternatives with the same
log-probability, when the tokens do not spell the answer, or when a value cannot be found (openai-python #2227, #2257).
"""

import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import accumulate
from math import exp

from schemas.reply import ITEMS, CodeBook
from schemas.verdict import Confidence, NotScored

TokenRow = tuple[bytes, float, Sequence[tuple[bytes, float]]]
Span = tuple[int, int]

_IMPOSSIBLE = -90.0
_TOLERANCE = 1e-3
_TRIM = b' \t\r\n":,{}[]'
_OPENING = re.compile(rb'\s*\{\s*"' + ITEMS.encode() + rb'"\s*:\s*\[')
_PIECE = re.compile(rb'"((?:[^"\\]|\\.)*+)"(\s*:)?|[][{}"]', re.DOTALL)  # a text, with a colon if it is a key; or a mark


class Scorer:
    """Scores the labels of one task's answers."""

    def __init__(self, books: Mapping[str, CodeBook]) -> None:
        self._codes = {name: tuple(code.encode() for code in book.codes) for name, book in books.items()}

    def score(self, content: str, tokens: Sequence[TokenRow], items: int) -> list[Mapping[str, Confidence | NotScored]]:
        """Return, for each object among the answer's items in order, the confidence of each label field.

        `items` is how many were asked about; the answer may hold more, or fewer if it was cut.
        """
        raw = content.encode("utf-8", "surrogatepass")
        spelled = _Spelled(tokens, raw)
        found = text_spans(raw)
        why = ""
        if not tokens:
            why = "the answer has no log-probabilities"
        elif spelled.shift < 0:
            why = "the tokens do not spell the answer"
        if why or found is None:
            return [dict.fromkeys(self._codes, NotScored(why or "the labels' places in the answer are not clear"))] * items
        return [
            {name: _signal(codes, raw, spans.get(name.encode()), spelled, items, place) for name, codes in self._codes.items()}
            for place, spans in enumerate(found)
        ]


class _Spelled:
    """The tokens, laid over the bytes of the content that they spell; `shift` bytes come before it, -1 if they do not."""

    def __init__(self, tokens: Sequence[TokenRow], raw: bytes) -> None:
        self.shift = b"".join(text for text, _, _ in tokens).find(raw)
        self._tokens = tokens
        self._ends = list(accumulate(len(text) for text, _, _ in tokens))

    def over(self, start: int, end: int) -> list[tuple[TokenRow, int]]:
        """Return the tokens that overlap the content's bytes [start, end), each with how many of these come before it."""
        start, end = start + self.shift, end + self.shift
        chosen = []
        for index in range(bisect_right(self._ends, start), len(self._tokens)):
            begins = self._ends[index] - len(self._tokens[index][0])
            if begins >= end:
                break
            chosen.append((self._tokens[index], max(0, begins - start)))
        return chosen


def text_spans(raw: bytes) -> list[dict[bytes, Span | None]] | None:
    """Return, for each object of the items array, where the text of each key stands; a JSON parser tells no places.

    None stands for a key that is there twice, and for an answer of another shape. The array may be cut. Linear.
    """
    opening = _OPENING.match(raw)
    if opening is None:
        return None
    items: list[dict[bytes, Span | None]] = []
    key: bytes | None = None
    depth, after = 0, len(raw)
    for piece in _PIECE.finditer(raw, opening.end()):
        mark = raw[piece.start() : piece.start() + 1]
        if mark == b"{":
            depth += 1
            if depth == 1:
                items.append({})
                key = None
        elif mark in b"}]":
            depth -= 1
            after = piece.end()
        elif piece[1] is None:
            return items  # cut within a text, or a list where none belongs
        elif depth == 1 and piece[2] is not None:
            key = piece[1]
        elif depth == 1 and key is not None:
            items[-1][key] = None if key in items[-1] else piece.span(1)
            key = None
        if depth < 0:
            break
    return items if depth >= 0 or raw[after:].strip() in (b"", b"}") else None


def _signal(
    codes: Sequence[bytes], raw: bytes, span: Span | None, spelled: _Spelled, items: int, place: int
) -> Confidence | NotScored:
    if span is None:
        return NotScored("the label's place in the answer is not clear")
    scored = _share(raw[slice(*span)], codes, spelled.over(*span))
    return scored if isinstance(scored, NotScored) else Confidence(*scored, batch_size=items, place=place)


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
        written = len(text.strip(_TRIM))
        ours = theirs = alien = 0.0
        for other, other_logprob in alternatives:
            rest = other.strip(_TRIM)
            begun = [c for c in open_codes if rest and c[before:].startswith(rest)]
            if begun:
                theirs += exp(other_logprob)
                # A shorter beginning than the one written may still become another code: it is not ours.
                ours += exp(other_logprob) * (code in begun and (len(rest) >= written or len(begun) == 1))
            elif rest:  # marks and spaces alone may lead to anything
                alien += exp(other_logprob)
        if ours <= 0.0:
            return NotScored("the label is not among the alternatives")
        if alien > theirs:
            return NotScored("the model would sooner have said something else than any label")
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
    if not all(other_logprob <= _TOLERANCE for _, other_logprob in alternatives):
        return "an alternative has an impossible log-probability"
    return None
