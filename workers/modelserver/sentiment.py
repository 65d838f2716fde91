"""The mood of a text: a head over 168 sentences of our own, 56 a mood, in the words of support, banks and everyday talk.

The probabilities are kept moderate on purpose. On sentences like its own the head is nearly always right, which would teach it
to be certain; on other kinds of text (news, tweets) it is not.
"""

import importlib.resources
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import orjson

from schemas.fields import SENTIMENTS
from workers.modelserver.embedder import Embeds
from workers.modelserver.examples import Example
from workers.modelserver.softmax_regression import LinearHead, Matrix, fit, softmax

_FILE = "sentiment_examples.jsonl"
_INVERSE_PENALTY = 3.0
_SHARPNESS = 2.0
_UNKNOWN = 0.01  # every text has a mood; neutral is one


@dataclass(frozen=True, slots=True)
class SentimentHead:
    """Knows negative, neutral and positive, in this order."""

    linear: LinearHead
    identity: str

    def known(self, vector: Matrix) -> Matrix:
        return softmax(self.linear.logits(vector))

    def unknown(self, vector: Matrix) -> float:  # noqa: ARG002  # a constant is what this head knows of it
        return _UNKNOWN


def is_sentiment(labels: Sequence[str]) -> bool:
    return set(labels) == set(SENTIMENTS)


def sentiment_head(more: Sequence[Example], embedder: Embeds) -> SentimentHead:
    """Return a head over the shipped sentences and a task's own examples."""
    examples = [*shipped_examples(), *more]
    place = {name: index for index, name in enumerate(SENTIMENTS)}
    vectors = embedder.embed_all([example.text for example in examples])
    labels = np.array([place[example.label] for example in examples], dtype=np.intp)
    linear = fit(vectors, labels, len(SENTIMENTS), inverse_penalty=_INVERSE_PENALTY, sharpness=_SHARPNESS)
    return SentimentHead(linear, f"sentiment-{embedder.identity}-{len(examples)}")


def shipped_examples() -> list[Example]:
    """Return the sentences of the package."""
    data = (importlib.resources.files("workers.modelserver") / _FILE).read_bytes()
    lines = [orjson.loads(line) for line in data.splitlines()]
    return [Example(line["text"], line["sentiment"]) for line in lines]
