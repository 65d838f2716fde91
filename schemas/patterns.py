"""Which regular expressions a task file may bring: those that cannot be made to backtrack for ever.

Python's `re` backtracks: where a repeat may stop or go on with the same next character, it tries both, and such choices
multiply. The parse tree tells how many combinations there can be, so an expensive pattern is refused when the task is read,
not when the message arrives. The rule is that of one-unambiguous expressions (Brueggemann-Klein and Wood, 1998) made
quantitative: a repeat whose next round and whose successor start with different characters costs nothing; any other
multiplies the ways by the counts it may take.
"""

import re
from dataclasses import dataclass

# The parse tree has no public home; tests/unit/test_patterns.py holds what is used of it.
from re import _constants as sre  # type: ignore[attr-defined]  # private, so typeshed leaves it out
from re import _parser  # type: ignore[attr-defined]  # private, so typeshed leaves it out
from typing import Any

MATCHED_CHARS = 256
"""Longest value a pattern is matched against, in characters; a longer one does not match."""

_MOST_WAYS = (MATCHED_CHARS + 1) ** 2  # two free repeats: milliseconds; three would be seconds
_OTHER = 256  # stands for every character beyond Latin-1
_EVERYTHING = frozenset(range(_OTHER + 1))
_BEYOND_ASCII = frozenset(range(128, _OTHER + 1))
_REPEATS = frozenset({sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT})
_REFUSED = frozenset({sre.GROUPREF, sre.GROUPREF_IGNORE, sre.GROUPREF_EXISTS, sre.ASSERT, sre.ASSERT_NOT})
_COMPLEMENTS = frozenset({sre.CATEGORY_NOT_DIGIT, sre.CATEGORY_NOT_SPACE, sre.CATEGORY_NOT_WORD})
_SINGLE = frozenset({sre.LITERAL, sre.NOT_LITERAL, sre.ANY, sre.IN})

_Chars = frozenset[int]
_NOTHING: _Chars = frozenset()


def matches(pattern: str, written: str) -> bool:
    """Return whether the whole of `written` matches. `pattern` must have passed `unsafe_pattern`."""
    return len(written) <= MATCHED_CHARS and re.fullmatch(pattern, written) is not None


def unsafe_pattern(pattern: str) -> str | None:
    """Return why the pattern is refused, as the end of a sentence, or None if it is safe to run."""
    try:
        tree = _parser.parse(pattern)
        re.compile(pattern)
    except re.error as error:
        return f"is not a regular expression ({error})"
    except (OverflowError, RecursionError):
        return "is too large"
    try:
        ways = _ways(tree.data, _NOTHING, _Reading(_says(tree, re.IGNORECASE), _says(tree, re.ASCII)))
    except _Unsafe as unsafe:
        return str(unsafe)
    return "could be tried in too many ways and take for ever" if ways > _MOST_WAYS else None


class _Unsafe(Exception):
    """The end of the sentence that refuses the pattern."""


@dataclass(frozen=True, slots=True)
class _Reading:
    any_case: bool
    only_ascii: bool  # somewhere in the pattern, so that there `\W` takes an accented letter

    def single(self, op: object, argument: Any) -> _Chars:
        if op is sre.ANY:
            return _EVERYTHING
        if op is sre.NOT_LITERAL:
            return self._folded(_EVERYTHING - ({argument} if argument < _OTHER else set()))
        if op is sre.LITERAL:
            return self._folded(frozenset({min(argument, _OTHER)}))
        chars: set[int] = set()
        for kind, value in argument:
            if kind is sre.LITERAL:
                chars.add(min(value, _OTHER))
            elif kind is sre.RANGE:
                chars.update(range(min(value[0], _OTHER), min(value[1], _OTHER) + 1))
            elif kind is sre.CATEGORY:
                chars |= _category(value)
        negated = argument[0][0] is sre.NEGATE
        # Other stays in: the set names some of the characters beyond Latin-1 at most.
        found = (_EVERYTHING - chars) | {_OTHER} if negated else frozenset(chars)
        if self.only_ascii and any(kind is sre.CATEGORY and (value in _COMPLEMENTS) is not negated for kind, value in argument):
            found |= _BEYOND_ASCII
        return self._folded(found)

    def _folded(self, chars: _Chars) -> _Chars:
        if not self.any_case:
            return chars
        both = {ord(c) for code in chars if code < _OTHER for c in (chr(code).lower(), chr(code).upper()) if len(c) == 1}
        # Some letters fold to a character beyond Latin-1 (the Kelvin sign is a k), so all do here.
        return frozenset({min(code, _OTHER) for code in both} | chars | {_OTHER})


def _category(category: object) -> _Chars:
    latin: dict[object, Any] = {
        sre.CATEGORY_DIGIT: str.isdecimal,
        sre.CATEGORY_SPACE: str.isspace,
        sre.CATEGORY_WORD: lambda c: c.isalnum() or c == "_",
        sre.CATEGORY_NOT_DIGIT: lambda c: not c.isdecimal(),
        sre.CATEGORY_NOT_SPACE: lambda c: not c.isspace(),
        sre.CATEGORY_NOT_WORD: lambda c: not (c.isalnum() or c == "_"),
    }
    return frozenset({code for code in range(_OTHER) if latin[category](chr(code))} | {_OTHER})


def _says(tree: Any, flag: re.RegexFlag) -> bool:
    """Return whether the flag is set, be it for a part of the pattern."""
    groups = (argument for op, argument in _walk(tree.data) if op is sre.SUBPATTERN)
    return bool(tree.state.flags & flag) or any(argument[1] & flag for argument in groups)


def _walk(nodes: list[Any]) -> list[Any]:
    found = []
    for op, argument in nodes:
        found.append((op, argument))
        for body in _bodies(op, argument):
            found += _walk(body)
    return found


def _bodies(op: object, argument: Any) -> list[list[Any]]:
    if op is sre.SUBPATTERN or op in _REPEATS:
        return [argument[-1].data]
    if op is sre.ATOMIC_GROUP:
        return [argument.data]
    if op is sre.BRANCH:
        return [branch.data for branch in argument[1]]
    return []


def _nullable(op: object, argument: Any) -> bool:
    """Return whether this node may match the empty text."""
    if op in _SINGLE:
        return False
    if op in _REPEATS and argument[0] == 0:
        return True
    # Anchors have no body and are nullable; a choice is nullable if one branch is.
    bodies = _bodies(op, argument)
    return not bodies or any(all(_nullable(*node) for node in body) for body in bodies)


def _first(nodes: list[Any], follow: _Chars, reading: _Reading) -> _Chars:
    """Return the characters a match of these nodes and what follows them may start with."""
    chars: _Chars = _NOTHING
    for op, argument in nodes:
        if op in _SINGLE:
            return chars | reading.single(op, argument)
        for body in _bodies(op, argument):
            chars |= _first(body, _NOTHING, reading)
        if not _nullable(op, argument):
            return chars
    return chars | follow


def _ways(nodes: list[Any], follow: _Chars, reading: _Reading) -> int:
    """Return an upper bound of the combinations a matcher may try, capped just above what is allowed."""
    ways = 1
    for index, (op, argument) in enumerate(nodes):
        after = _first(nodes[index + 1 :], follow, reading)
        if op in _REFUSED:
            raise _Unsafe("uses a back-reference or look-around, which can take for ever")
        if op in _REPEATS:
            ways *= _repeat_ways(argument, after, reading)
        elif op is sre.BRANCH:
            ways *= _branch_ways(_bodies(op, argument), after, reading)
        else:
            for body in _bodies(op, argument):
                ways *= _ways(body, after, reading)
        ways = min(ways, _MOST_WAYS + 1)
    return ways


def _repeat_ways(argument: Any, follow: _Chars, reading: _Reading) -> int:
    least, most, body = int(argument[0]), min(int(argument[1]), MATCHED_CHARS), argument[2].data
    if all(_nullable(*node) for node in body):
        raise _Unsafe("repeats something that may be empty, which can take for ever")
    starts = _first(body, _NOTHING, reading)
    inner = _ways(body, (starts | follow) if most > 1 else follow, reading)
    # Rounds multiply, so 16 ambiguous ones are beyond the limit already.
    rounds = inner ** min(most, 2 * MATCHED_CHARS.bit_length()) if inner > 1 else 1
    free = max(1, most - least + 1) if starts & follow else 1
    return min(rounds * free, _MOST_WAYS + 1)


def _branch_ways(branches: list[list[Any]], follow: _Chars, reading: _Reading) -> int:
    ways = [_ways(branch, follow, reading) for branch in branches]
    seen: _Chars = _NOTHING
    for branch in branches:
        starts = _first(branch, follow, reading)
        if seen & starts or (not branch and len(branches) > 1 and not follow):
            return sum(ways)
        seen |= starts
    return max(ways)
