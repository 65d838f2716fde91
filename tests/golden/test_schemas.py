"""The published JSON Schemas are the models', byte by byte: consumers generate code from these files."""

import os
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from schemas.events import PUBLISHED, json_schema
from workers.commands.schemas_cmd import text_of

FOLDER = Path(__file__).parents[2] / "schemas" / "published"


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_published_schema_is_the_models(name: str) -> None:
    """`make golden` writes it anew when a change is meant; then its version is a question, too."""
    path = FOLDER / f"{name}.json"
    if os.environ.get("NANOTRIAGE_GOLDEN") == "write":
        path.write_text(text_of(name), encoding="utf-8")
        return
    kept = path.read_text(encoding="utf-8") if path.is_file() else ""
    assert kept == text_of(name), f"run `make golden` if this change of {name} is meant"


def test_nothing_else_is_published() -> None:
    """A file without a model would promise what nobody keeps."""
    assert {path.name for path in FOLDER.iterdir()} == {f"{name}.json" for name in PUBLISHED}


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_published_schema_is_a_json_schema_that_refuses_more(name: str) -> None:
    """Closed at every object that is ours, and named by its event and version."""
    schema = json_schema(name)
    Draft202012Validator.check_schema(schema)
    assert schema["$id"] == f"nanotriage.{name}"
    assert schema["properties"]["event"]["const"] == f"nanotriage.{name}"
    ours = [schema, *(d for d in schema.get("$defs", {}).values() if d["type"] == "object")]
    assert all(part["additionalProperties"] is False for part in ours)
