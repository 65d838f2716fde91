"""Refs: the unguessable names of the items of one question. Pure."""

from collections.abc import Callable

_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
_LENGTH = 4
_SPACE = len(_LETTERS) ** _LENGTH


def distinct_refs(count: int, draw: Callable[[int], int]) -> tuple[str, ...]:
    """Return so many refs, no two alike. `draw(n)` returns a random integer below n; use a secure one.

    One draw is for all of them, because a secure one costs a system call.
    """
    refs: dict[str, None] = {}
    while (lacking := count - len(refs)) > 0:
        numbers = draw(_SPACE**lacking)
        for _ in range(lacking):
            numbers, number = divmod(numbers, _SPACE)
            refs[_spelt(number)] = None
    return tuple(refs)


def _spelt(number: int) -> str:
    letters = []
    for _ in range(_LENGTH):
        number, place = divmod(number, len(_LETTERS))
        letters.append(_LETTERS[place])
    return "".join(letters)
