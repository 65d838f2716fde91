"""Labelled examples: those a task ships, and the memory on disk of what embedding them cost."""

import hashlib
import io
import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from schemas.fields import SENTIMENTS, UNKNOWN, LabelField
from workers.exits import UserError
from workers.modelserver.embedder import DIMENSIONS, Embeds, Vector
from workers.taskfiles import load_task

_GOLD = "gold"


@dataclass(frozen=True, slots=True)
class Example:
    """A text, its label, and what was said before it, oldest first."""

    text: str
    label: str
    context: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FieldExamples:
    """A task's examples of one field. `labels` maps all its labels to their descriptions, `unknown` is not among them."""

    field: str
    labels: Mapping[str, str]
    description: str
    examples: tuple[Example, ...]


def task_examples(reference: str) -> list[FieldExamples]:
    """Return what a task ships for each of its label fields, by shipped name, file or folder.

    Raises TaskRefused, and UserError for a file of gold labels: what a task is measured by must not teach the labeller.
    """
    loaded = load_task(reference, import_user_code=False)
    path = loaded.examples_path
    if path is not None and path.name.lower().startswith(_GOLD):
        raise UserError(f"{path} holds gold labels, which measure a task: name another file in `examples`")
    lines = [orjson.loads(line) for line in path.read_bytes().splitlines() if line.strip()] if path else []
    found = []
    for name, field in loaded.task.classified().items():
        labels = field.labels if isinstance(field, LabelField) else SENTIMENTS
        told = ((line["text"], line.get(name), _context(line)) for line in lines)
        examples = tuple(Example(*one) for one in told if one[1] is not None and one[1] != UNKNOWN)
        found.append(FieldExamples(name, labels, field.description, examples))
    return found


def _context(line: Mapping[str, Any]) -> tuple[str, ...]:
    context = line.get("context")
    return tuple(context) if isinstance(context, list) else ()  # a label, where a field is called so


class RememberedEmbedder:
    """An embedder whose answers to `embed_all` are kept in a folder, one file for each set of texts and model."""

    def __init__(self, inner: Embeds, folder: Path) -> None:
        self._inner = inner
        self._folder = folder

    @property
    def identity(self) -> str:
        return self._inner.identity

    def embed(self, text: str) -> Vector:
        return self._inner.embed(text)

    def embed_all(self, texts: Sequence[str]) -> Vector:
        path = self._folder / f"embeddings-{_digest([self.identity, *texts])}.npz"
        known = _read(path, len(texts))
        if known is None:
            known = self._inner.embed_all(texts)
            _write(path, known)
        return known


def _digest(texts: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for text in texts:
        data = text.encode()
        digest.update(len(data).to_bytes(8) + data)
    return digest.hexdigest()[:32]


def _read(path: Path, rows: int) -> Vector | None:
    """Return the kept vectors; a missing or damaged file is as good as none."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            vectors: Vector = archive["vectors"]
    except (OSError, ValueError, KeyError, EOFError):
        return None
    right = vectors.shape == (rows, DIMENSIONS) and vectors.dtype == np.float32 and bool(np.isfinite(vectors).all())
    return vectors if right else None


def _write(path: Path, vectors: Vector) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, vectors=vectors)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(buffer.getvalue())
    os.replace(file.name, path)  # noqa: PTH105  # whole or not at all: two servers may start at once
