"""Running model servers for the whole session, an embedder without a model, and OpenAI's published schemas where they are at hand."""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from workers.modelserver.embedder import DIMENSIONS, Vector, stacked
from workers.modelserver.labeller import Code, ExtractQuestion, Item, LabelQuestion, ParsedRequest
from workers.modelserver.local_model import LocalModel
from workers.modelserver.options import Kind, ModelOptions
from workers.modelserver.weights import Weights, find_weights

# Beside the repository, in any folder that keeps contracts of other systems.
OPENAPI = next(Path(__file__).resolve().parents[2].glob("*/contracts/openai-openapi.json"), None)


@pytest.fixture(scope="session")
def model_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that all servers of the session keep their files in."""
    return tmp_path_factory.mktemp("model")


@pytest.fixture(scope="session")
def weights(model_data: Path) -> Weights:
    return find_weights(model_data / "models")


@pytest.fixture(scope="session")
def classifier_server(model_data: Path) -> Iterator[LocalModel]:
    with LocalModel(ModelOptions(data=model_data)) as model:
        yield model


@pytest.fixture(scope="session")
def llama_server(model_data: Path) -> Iterator[LocalModel]:
    pytest.importorskip("xllamacpp")
    with LocalModel(ModelOptions(Kind.LLM, data=model_data)) as model:
        yield model


@pytest.fixture(
    params=[
        pytest.param("classifier_server", marks=pytest.mark.local_model, id="classifier"),
        pytest.param("llama_server", marks=pytest.mark.llm, id="llama"),
    ]
)
def model_server(request: pytest.FixtureRequest) -> LocalModel:
    """A running server: the classifier, and a real llama.cpp."""
    server: LocalModel = request.getfixturevalue(request.param)
    return server


class WordEmbedder:
    """Texts that share words are similar: each word is a fixed random direction. Counts how often it is asked."""

    identity = "words"

    def __init__(self) -> None:
        self.embedded = 0

    def embed(self, text: str) -> Vector:
        self.embedded += 1
        total = sum((_direction(word) for word in text.lower().split()), np.full(DIMENSIONS, 1e-3))
        vector: Vector = (total / np.linalg.norm(total)).astype(np.float32)
        return vector

    def embed_all(self, texts: Sequence[str]) -> Vector:
        return stacked(map(self.embed, texts))


def _direction(word: str) -> np.ndarray:
    seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:8])
    return np.random.default_rng(seed).standard_normal(DIMENSIONS)


def label_question(name: str, labels: dict[str, str]) -> LabelQuestion:
    """Return a question with a letter for each label and Z for unknown."""
    codes = [Code(chr(ord("A") + place), label, text) for place, (label, text) in enumerate(labels.items())]
    return LabelQuestion(name, (*codes, Code("Z", "unknown", "none of these")))


def asked(questions: Sequence[LabelQuestion | ExtractQuestion], *texts: str) -> ParsedRequest:
    return ParsedRequest(tuple(questions), tuple(Item(f"r{place}", text) for place, text in enumerate(texts)))


@cache
def _components() -> dict[str, Any]:
    assert OPENAPI is not None
    return _json_schema(json.loads(OPENAPI.read_bytes())["components"])


@pytest.fixture(scope="session")
def conforms() -> Callable[[str, Any], None]:
    """A function that raises unless a value is what OpenAI's document says of the named component; skips without the document."""
    if OPENAPI is None:
        pytest.skip("OpenAI's published description of its API is not here")
    components = _components()

    def check(component: str, value: Any) -> None:
        schema = {"$ref": f"#/components/schemas/{component}", "components": components}
        worst = jsonschema.exceptions.best_match(jsonschema.Draft202012Validator(schema).iter_errors(value))
        assert worst is None, f"{component}{worst.json_path[1:]}: {worst.message[:300]}"

    return check


def _json_schema(node: Any) -> Any:
    """Return the document with `nullable: true`, a word of OpenAPI 3.0 that it still uses, said in JSON Schema."""
    if isinstance(node, list):
        return [_json_schema(one) for one in node]
    if not isinstance(node, dict):
        return node
    plain = {key: _json_schema(value) for key, value in node.items()}
    if plain.pop("nullable", None) is True:
        return {"anyOf": [plain, {"type": "null"}]}
    return plain
