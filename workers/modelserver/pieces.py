"""A reply as pieces of text, before it is cut into tokens: what was forced by the schema, and what was chosen."""

import json
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fixed:
    """Text that carries no probability: structure, refs and copied values."""

    text: str


@dataclass(frozen=True, slots=True)
class Choice:
    """One token out of a closed set, the most probable first; each is JSON text, escaped where it stands inside a string."""

    distribution: tuple[tuple[str, float], ...]


Piece = Fixed | Choice


def json_text(value: object) -> str:
    """Return the JSON of a scalar, with letters of all languages as they are."""
    return json.dumps(value, ensure_ascii=False)


def choice(distribution: tuple[tuple[str, float], ...]) -> Choice:
    """Return the choice of one of these strings, to stand between quotes."""
    return Choice(tuple((json_text(text)[1:-1], probability) for text, probability in distribution))
