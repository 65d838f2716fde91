"""The default labeller: embeddings with linear heads for labels, rules for extracted values, nothing for free text."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

import numpy as np

from schemas.fields import UNKNOWN
from workers.modelserver.embedder import Embeds, Vector
from workers.modelserver.extraction import extract
from workers.modelserver.extraction.statement_line import essence
from workers.modelserver.head_store import HeadStore, known_labels
from workers.modelserver.heads import Head, TalkHead, context_vector
from workers.modelserver.labeller import (
    Answer,
    ExtractQuestion,
    Item,
    ItemAnswer,
    Labelled,
    LabelQuestion,
    ParsedRequest,
    TextQuestion,
    Valued,
    ranked,
)


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of a label question: its head, the code of each of the head's labels, and the code of `unknown`."""

    name: str
    head: Head
    codes: tuple[str, ...]
    unknown: str | None

    def answer(self, vector: Vector, context: Vector | None) -> Labelled:
        unknown = self.head.unknown(vector) if self.unknown is not None else 0.0
        if isinstance(self.head, TalkHead) and context is not None:
            known = self.head.known_after(vector, context)
        else:
            known = self.head.known(vector)
        known = known * np.float32(1.0 - unknown)
        probabilities = dict(zip(self.codes, map(float, known), strict=True))
        if self.unknown is not None:
            probabilities[self.unknown] = unknown
        return Labelled(self.name, ranked(probabilities))


class Classifier:
    """A labeller without a language model. Equal texts, contexts and questions get equal answers."""

    def __init__(self, embedder: Embeds, heads: HeadStore) -> None:
        self._embedder = embedder
        self._heads = heads

    def label(self, request: ParsedRequest) -> list[ItemAnswer]:
        asked = [self._known(question) if isinstance(question, LabelQuestion) else question for question in request.questions]
        return [self._item(asked, item) for item in request.items]

    def _item(self, asked: Sequence[_Known | ExtractQuestion | TextQuestion], item: Item) -> ItemAnswer:
        needs_vector = any(isinstance(question, _Known) for question in asked)
        vector = self._embedder.embed(essence(item.text)) if needs_vector else None
        context = None
        if item.context and any(isinstance(question, _Known) and isinstance(question.head, TalkHead) for question in asked):
            context = context_vector([self._embedder.embed(essence(said)) for said in item.context])
        return ItemAnswer(item.ref, tuple(_answer(question, item.text, vector, context) for question in asked))

    def _known(self, question: LabelQuestion) -> _Known:
        by_label = {code.label: code.code for code in question.codes}
        codes = tuple(by_label[label.name] for label in known_labels(question))
        return _Known(question.name, self._heads.head(question), codes, by_label.get(UNKNOWN))


def _answer(
    question: _Known | ExtractQuestion | TextQuestion, text: str, vector: Vector | None, context: Vector | None
) -> Answer:
    match question:
        case _Known():
            assert vector is not None
            return question.answer(vector, context)
        case ExtractQuestion():
            return Valued(question.name, extract(question, text))
        case TextQuestion():
            return Valued(question.name, None)
        case _:
            assert_never(question)
