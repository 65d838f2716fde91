"""From a text's vector to the probability of each label of a field.

Two kinds of knowledge. With two or more examples a label, a calibrated softmax regression over the examples and the labels' own
names and descriptions. Without, the similarity to names and descriptions alone, times a constant.

`unknown` is decided by similarity: a text that is less like its nearest example than almost any example is like its own nearest
is probably about something else. The midpoint is the first percentile of those leave-one-out similarities.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from workers.modelserver.embedder import DIMENSIONS, Embeds
from workers.modelserver.examples import Example
from workers.modelserver.extraction.statement_line import essence
from workers.modelserver.softmax_regression import LinearHead, Matrix, fit_calibrated, softmax

# Chosen on Banking77, CLINC150 and Bitext with label names only: expected calibration error 0.03 to 0.06 on each.
_SIMILARITY_SCALE = 40.0
# A percentile of 98 for texts in scope, of 20 for texts out of scope, on the same sets.
_NAMES_MIDPOINT = 0.60
_UNKNOWN_WIDTH = 0.02
_KNOWN_QUANTILE = 0.01
_LEAST_EXAMPLES_A_LABEL = 2


@dataclass(frozen=True, slots=True)
class Label:
    """A label as the question names it."""

    name: str
    description: str

    def texts(self) -> tuple[str, ...]:
        """Return the label as texts to learn from."""
        name = self.name.replace("_", " ")
        return (name, f"{name}: {self.description}") if self.description else (name,)


class Head(Protocol):
    """Knows one field."""

    @property
    def identity(self) -> str:
        """What it was made of, for the fingerprint of the server."""

    def known(self, vector: Matrix) -> Matrix:
        """Return the probability of each label, in the order the labels were given, if it is one of them."""

    def unknown(self, vector: Matrix) -> float:
        """Return the probability that it is none of them."""


@dataclass(frozen=True, slots=True)
class LearnedHead:
    """A regression, and the examples it was learned from."""

    linear: LinearHead
    examples: Matrix
    midpoint: float
    identity: str

    def known(self, vector: Matrix) -> Matrix:
        return softmax(self.linear.logits(vector))

    def unknown(self, vector: Matrix) -> float:
        return _unknown(float((self.examples @ vector).max()), self.midpoint)


@dataclass(frozen=True, slots=True)
class TalkHead:
    """A learned head, and a second regression for texts whose context is known: over their vector and that of the context."""

    alone: LearnedHead
    linear: LinearHead
    identity: str

    def known(self, vector: Matrix) -> Matrix:
        return self.alone.known(vector)

    def known_after(self, vector: Matrix, context: Matrix) -> Matrix:
        """Return the probability of each label after what was said before."""
        return softmax(self.linear.logits(np.concatenate([vector, context])))

    def unknown(self, vector: Matrix) -> float:
        return self.alone.unknown(vector)


def context_vector(turns: Sequence[Matrix]) -> Matrix:
    """Return the vector of a context: the mean of its turns' vectors, zero without any."""
    vector: Matrix = np.mean(turns, axis=0, dtype=np.float32) if turns else np.zeros(DIMENSIONS, np.float32)
    return vector


@dataclass(frozen=True, slots=True)
class NamesHead:
    """One prototype a label: the mean of the vectors of its name and description."""

    prototypes: Matrix
    identity: str

    def known(self, vector: Matrix) -> Matrix:
        return softmax((self.prototypes @ vector) * np.float32(_SIMILARITY_SCALE))

    def unknown(self, vector: Matrix) -> float:
        return _unknown(float((self.prototypes @ vector).max()), _NAMES_MIDPOINT)


@dataclass(frozen=True, slots=True)
class NoHead:
    """Of a question that has no label but `unknown`."""

    identity: str = "none"

    def known(self, vector: Matrix) -> Matrix:
        return vector[:0]

    def unknown(self, vector: Matrix) -> float:  # noqa: ARG002  # there is nothing else to be
        return 1.0


def make_head(labels: Sequence[Label], examples: Sequence[Example], *, own: Embeds, shipped: Embeds) -> Head:
    """Return the best head for these labels. Examples of other labels are ignored.

    `own` embeds the labels' names and descriptions, `shipped` the examples; both are the same model.
    """
    place = {label.name: index for index, label in enumerate(labels)}
    if not labels:
        return NoHead()
    usable = [example for example in examples if example.label in place]
    named = [(text, index) for index, label in enumerate(labels) for text in label.texts()]
    told = ["\0".join((e.label, e.text, *e.context)) for e in usable]
    identity = _identity(shipped, [text for text, _ in named] + told)
    own_vectors = own.embed_all([text for text, _ in named])
    own_places = np.array([index for _, index in named], dtype=np.intp)
    if len(usable) < _LEAST_EXAMPLES_A_LABEL * len(labels):
        prototypes = np.stack([own_vectors[own_places == index].mean(axis=0) for index in range(len(labels))])
        return NamesHead(prototypes, identity)
    vectors = shipped.embed_all([essence(example.text) for example in usable])
    places = np.array([place[example.label] for example in usable], dtype=np.intp)
    both, all_places = np.vstack([vectors, own_vectors]), np.concatenate([places, own_places])
    alone = LearnedHead(fit_calibrated(both, all_places, len(labels)), vectors, _midpoint(vectors), identity)
    if not any(example.context for example in usable):
        return alone
    contexts = [*_contexts(usable, shipped), *(context_vector([]) for _ in named)]
    return TalkHead(alone, fit_calibrated(np.hstack([both, np.stack(contexts)]), all_places, len(labels)), identity)


def _contexts(examples: Sequence[Example], shipped: Embeds) -> list[Matrix]:
    texts = sorted({essence(said) for example in examples for said in example.context})
    vectors = dict(zip(texts, shipped.embed_all(texts), strict=True))
    return [context_vector([vectors[essence(said)] for said in example.context]) for example in examples]


def _midpoint(vectors: Matrix) -> float:
    """Return the similarity to the nearest other example that nearly all examples reach."""
    similarities = vectors @ vectors.T
    np.fill_diagonal(similarities, -1.0)
    return float(np.quantile(similarities.max(axis=1), _KNOWN_QUANTILE))


def _unknown(similarity: float, midpoint: float) -> float:
    return float(1.0 / (1.0 + np.exp(np.clip((similarity - midpoint) / _UNKNOWN_WIDTH, -60.0, 60.0))))


def _identity(embedder: Embeds, texts: Sequence[str]) -> str:
    digest = hashlib.sha256(embedder.identity.encode())
    for text in texts:
        digest.update(b"\0" + text.encode())
    return digest.hexdigest()
