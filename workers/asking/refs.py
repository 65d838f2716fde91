"""Refs: the unguessable names of the items of one question. Pure."""

from collections.abc import Callable

_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
_LENGTH = 4


def distinct_refs(count: int, draw: Callable[[int], int]) -> tuple[str, ...]:
    """Return so many refs, no two alike. `draw(n)` returns a random integer below n; use a secure one."""
    refs: dict[str, None] = {}
    while len(refs) < count:
        number = draw(len(_LETTERS) ** _LENGTH)
        letters = []
        for _ in range(_LENGTH):
            number, place = divmod(number, len(_LETTERS))
            letters.append(_LETTERS[place])
        refs["".join(letters)] = None
    return tuple(refs)
