"""What is asked of a labeller and what it answers. Any labeller can stand behind the server."""

from dataclasses import dataclass
from typing import Protocol

from schemas.fields import ExtractType


@dataclass(frozen=True, slots=True)
class Code:
    """One allowed answer of a label question: what is written, which label it stands for, and what the label means."""

    code: str
    label: str
    description: str = ""


@dataclass(frozen=True, slots=True)
class LabelQuestion:
    """Which of `codes`? At most one of them has the label `unknown`."""

    name: str
    codes: tuple[Code, ...]
    description: str = ""


@dataclass(frozen=True, slots=True)
class ExtractQuestion:
    """Which value of this type stands in the text? It is copied as written."""

    name: str
    type: ExtractType
    pattern: str | None = None
    description: str = ""


@dataclass(frozen=True, slots=True)
class TextQuestion:
    """Free text of at most `max_chars` characters."""

    name: str
    max_chars: int


Question = LabelQuestion | ExtractQuestion | TextQuestion


@dataclass(frozen=True, slots=True)
class Item:
    """One text, and the reference by which it is answered. `context` is what was said before it, oldest first."""

    ref: str
    text: str
    context: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ParsedRequest:
    """All questions are asked about each item."""

    questions: tuple[Question, ...]
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Labelled:
    """The probability of every code of a label question, the most probable first. They add up to one."""

    name: str
    distribution: tuple[tuple[str, float], ...]

    @property
    def code(self) -> str:
        return self.distribution[0][0]

    @property
    def probability(self) -> float:
        return self.distribution[0][1]


@dataclass(frozen=True, slots=True)
class Valued:
    """The value as it stands in the text, or None if there is none."""

    name: str
    value: str | None


Answer = Labelled | Valued


@dataclass(frozen=True, slots=True)
class ItemAnswer:
    """The answers about one item, in the order of the questions."""

    ref: str
    answers: tuple[Answer, ...]


class Labeller(Protocol):
    """Answers every question about every item, items in their order.

    `label` is called from several threads at once. The answer about an item depends on its text, its context and the
    questions alone, never on the other items or on earlier requests.
    """

    def label(self, request: ParsedRequest) -> list[ItemAnswer]: ...


def ranked(probabilities: dict[str, float]) -> tuple[tuple[str, float], ...]:
    """Return the codes by falling probability; equal ones keep their order."""
    return tuple(sorted(probabilities.items(), key=lambda pair: -pair[1]))
