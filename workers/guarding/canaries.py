"""Canaries: messages of ours whose answer is known, asked about beside suspicious ones. Pure.

A canary is what a label's own description says, and its answer is that label: only those are used that the model, asked about
each alone, answers so. Two with different labels stand in a call, one first and one last, chosen anew each time: an order to
give everybody the same label, or one about all before or all after its writer, changes at least one of the two. An order that
names a single neighbour may pass them by; that is what isolating the hostile is for.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from schemas.fields import LabelField, SentimentField
from schemas.message import Message
from schemas.task import Task

_MOST_CANDIDATES = 8
_MOODS = {
    "positive": "Thank you so much, this is wonderful and I am very happy with it.",
    "negative": "This is terrible, I am very angry and disappointed.",
}


@dataclass(frozen=True, slots=True)
class Canary:
    """A message and the label that a sound answer gives it in one field."""

    message: Message
    field: str
    label: str

    def sings(self, labels: Mapping[str, str | None]) -> bool:
        """Return whether the answer about it is the known one."""
        return labels.get(self.field) == self.label


Pair = tuple[Canary, Canary]


def candidates(task: Task, draw: Callable[[int], int]) -> list[Canary]:
    """Return messages that may become canaries of this task, none if it has no labels.

    `draw(n)` is a random integer below n.
    """
    field, texts = _texts(task)
    left = list(texts)
    chosen: list[Canary] = []
    while left and len(chosen) < _MOST_CANDIDATES:
        label = left.pop(draw(len(left)))
        chosen.append(Canary(Message(texts[label], "canary", None, None, {}), field, label))
    return chosen


def _texts(task: Task) -> tuple[str, Mapping[str, str]]:
    """Return the first field with labels, and for each a text that is of this label."""
    for name, field in task.fields.items():
        if isinstance(field, LabelField):
            return name, {label: described or label.replace("_", " ") for label, described in field.labels.items()}
        if isinstance(field, SentimentField):
            return name, _MOODS
    return "", {}


class Canaries:
    """The canaries of one task, once it is known which of the candidates the model answers as they should be."""

    def __init__(self) -> None:
        self._known: Sequence[Canary] | None = None

    @property
    def asked(self) -> bool:
        """Whether the model was asked about the candidates."""
        return self._known is not None

    @property
    def ready(self) -> bool:
        """Whether there are two different answers to tell from each other."""
        return self._known is not None and len({one.label for one in self._known}) > 1

    def learnt(self, known: Sequence[Canary]) -> None:
        self._known = tuple(known)

    def pair(self, draw: Callable[[int], int]) -> Pair:
        """Return two with different labels. Only when `ready`."""
        known = self._known or ()
        first = known[draw(len(known))]
        others = [one for one in known if one.label != first.label]
        return first, others[draw(len(others))]
