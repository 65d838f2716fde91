"""Texts to vectors that are near each other when the texts mean alike: by the local embedding model, or by their words."""

import importlib.util
from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer

from workers.exits import UserError

Vectors = npt.NDArray[np.float64]
Progress = Callable[[int], None]

_CHUNK = 64
_MOST_WORDS = 20_000
_TOPICS = 64


class Kind(StrEnum):
    """What the vectors are made of."""

    AUTO = "auto"  # the model where its packages are installed, else words
    MODEL = "model"
    WORDS = "words"


class Embedder(Protocol):
    """As `workers.modelserver.embedder.Embedder`."""

    def embed_all(self, texts: Sequence[str]) -> Any:
        """Return one row a text."""


def choose(kind: Kind) -> Kind:
    """Return what can be used. Raises UserError when the model is wished for and its packages are missing."""
    missing = [name for name in ("onnxruntime", "tokenizers", "jgo") if importlib.util.find_spec(name) is None]
    if kind is Kind.MODEL and missing:
        raise UserError(f'the local model needs the Python package {missing[0]}: pip install "nanotriage[local]", or use words')
    return Kind.WORDS if kind is Kind.WORDS or missing else Kind.MODEL


def local_embedder(models: Path) -> Embedder:
    """Return the local model. Raises UserError when its files cannot be had."""
    from workers.modelserver.embedder import Embedder as Local  # noqa: PLC0415  # an extra that words do without
    from workers.modelserver.weights import find_weights  # noqa: PLC0415

    return Local(find_weights(models))


def by_model(embedder: Embedder, texts: Sequence[str], progress: Progress) -> Vectors:
    """Return a row a text."""
    rows = []
    for start in range(0, len(texts), _CHUNK):
        rows.append(embedder.embed_all(texts[start : start + _CHUNK]))
        progress(min(len(texts), start + _CHUNK))
    return np.concatenate(rows).astype(np.float64)


def by_words(texts: Sequence[str]) -> Vectors:
    """Return a row a text: its words and pairs of words by weight (TF-IDF), brought down to topics (LSA)."""
    weights = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, max_features=_MOST_WORDS)
    try:
        found = weights.fit_transform(texts)
    except ValueError:  # no text has a word
        return np.zeros((len(texts), 1))
    topics = min(_TOPICS, found.shape[1] - 1)
    reduced: Vectors = TruncatedSVD(topics, random_state=0).fit_transform(found) if topics else found.toarray()
    return reduced
