"""The default labeller: embeddings with linear heads for labels, rules for extracted values, nothing for free text."""

from typing import assert_never

from schemas.fields import UNKNOWN
from workers.modelserver.embedder import Embeds, Vector
from workers.modelserver.extraction import extract
from workers.modelserver.extraction.statement_line import essence
from workers.modelserver.head_store import HeadStore, known_labels
from workers.modelserver.labeller import (
    Answer,
    ExtractQuestion,
    Item,
    ItemAnswer,
    Labelled,
    LabelQuestion,
    ParsedRequest,
    Question,
    TextQuestion,
    Valued,
    ranked,
)


class Classifier:
    """A labeller without a language model. Equal texts and questions get equal answers."""

    def __init__(self, embedder: Embeds, heads: HeadStore) -> None:
        self._embedder = embedder
        self._heads = heads

    def label(self, request: ParsedRequest) -> list[ItemAnswer]:
        return [self._item(request.questions, item) for item in request.items]

    def _item(self, questions: tuple[Question, ...], item: Item) -> ItemAnswer:
        needs_vector = any(isinstance(question, LabelQuestion) for question in questions)
        vector = self._embedder.embed(essence(item.text)) if needs_vector else None
        return ItemAnswer(item.ref, tuple(self._answer(question, item.text, vector) for question in questions))

    def _answer(self, question: Question, text: str, vector: Vector | None) -> Answer:
        match question:
            case LabelQuestion():
                assert vector is not None
                return self._labelled(question, vector)
            case ExtractQuestion():
                return Valued(question.name, extract(question, text))
            case TextQuestion():
                return Valued(question.name, None)
            case _:
                assert_never(question)

    def _labelled(self, question: LabelQuestion, vector: Vector) -> Labelled:
        head = self._heads.head(question)
        names = [label.name for label in known_labels(question)]
        known = dict(zip(names, map(float, head.known(vector)), strict=True))
        by_label = {code.label: code.code for code in question.codes}
        unknown = head.unknown(vector) if UNKNOWN in by_label else 0.0
        probabilities = {by_label[name]: p * (1.0 - unknown) for name, p in known.items()}
        if UNKNOWN in by_label:
            probabilities[by_label[UNKNOWN]] = unknown
        return Labelled(question.name, ranked(probabilities))
