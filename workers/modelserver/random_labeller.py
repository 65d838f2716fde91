"""The negative control: valid answers that know nothing of the text. What works with it was not measured by its labels."""

import random
from typing import assert_never

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


class RandomLabeller:
    """Draws codes uniformly and values from the words of the text; the same seed, field and text draw the same."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def label(self, request: ParsedRequest) -> list[ItemAnswer]:
        return [ItemAnswer(item.ref, tuple(self._answer(q, item) for q in request.questions)) for item in request.items]

    def _answer(self, question: Question, item: Item) -> Answer:
        draw = random.Random(f"{self._seed}\0{question.name}\0{item.text}")  # noqa: S311  # a control, not a secret
        match question:
            case LabelQuestion():
                weights = {code.code: draw.expovariate(1.0) for code in question.codes}
                total = sum(weights.values())
                return Labelled(question.name, ranked({code: weight / total for code, weight in weights.items()}))
            case ExtractQuestion() | TextQuestion():
                words = item.text.split()
                return Valued(question.name, draw.choice(words) if words and draw.random() < 0.5 else None)  # noqa: PLR2004  # a coin
            case _:
                assert_never(question)
