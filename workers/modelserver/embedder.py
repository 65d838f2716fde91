"""Texts to vectors of length one: the embedding model on one CPU thread a call, with a bounded memory of recent texts.

One text per run. The model's 8-bit scales are taken from the whole batch, so a text's vector would depend on its neighbours
and a redelivered message could get another label.
"""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import onnxruntime
from tokenizers import Tokenizer

from workers.modelserver.weights import MODEL_SHA256, Weights

Vector = npt.NDArray[np.float32]
DIMENSIONS = 384
_MOST_TOKENS = 128
_REMEMBERED = 20_000  # vectors, 30 MB
_MOST_CHARS = 4096  # what 128 tokens can never reach in plain text; longer ones would only cost tokenizer time


class Embeds(Protocol):
    """Gives every text a vector of length one; equal texts get equal vectors, alone and in company."""

    @property
    def identity(self) -> str: ...

    def embed(self, text: str) -> Vector: ...

    def embed_all(self, texts: Sequence[str]) -> Vector:
        """Return one row a text."""


class Embedder:
    """The bge-small model. Reads the first 128 word pieces of a text. Safe for several threads."""

    def __init__(self, weights: Weights, threads: int = 2) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session: Any = onnxruntime.InferenceSession(str(weights.model), options, providers=["CPUExecutionProvider"])
        self._tokenizer: Any = Tokenizer.from_file(str(weights.tokenizer))
        self._tokenizer.enable_truncation(_MOST_TOKENS)
        self._tokenizer.no_padding()
        self._threads = threads
        self._memory: OrderedDict[bytes, Vector] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def identity(self) -> str:
        return MODEL_SHA256

    def embed(self, text: str) -> Vector:
        key = hashlib.blake2b(text.encode(), digest_size=16).digest()
        with self._lock:
            if (known := self._memory.get(key)) is not None:
                self._memory.move_to_end(key)
                return known
        vector = self._run(text)
        with self._lock:
            self._memory[key] = vector
            if len(self._memory) > _REMEMBERED:
                self._memory.popitem(last=False)
        return vector

    def embed_all(self, texts: Sequence[str]) -> Vector:
        with ThreadPoolExecutor(self._threads) as pool:
            return stacked(pool.map(self._run, texts))

    def _run(self, text: str) -> Vector:
        ids = np.array([self._tokenizer.encode(text[:_MOST_CHARS]).ids], dtype=np.int64)
        inputs = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        first: Vector = self._session.run(None, inputs)[0][0, 0]  # the [CLS] token, as bge was trained
        vector: Vector = first / np.linalg.norm(first)
        vector.flags.writeable = False
        return vector


def stacked(vectors: Iterable[Vector]) -> Vector:
    """Return the vectors as rows; no vectors give no rows."""
    rows = list(vectors)
    return np.stack(rows) if rows else np.zeros((0, DIMENSIONS), dtype=np.float32)
