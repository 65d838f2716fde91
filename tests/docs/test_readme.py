"""README and reference cannot lie: tables are generated, the task loads, the example event is valid, the commands exist."""

import os
import re
from pathlib import Path

import jsonschema
import orjson
import pytest

from schemas.events import json_schema
from workers.cli import COMMANDS
from workers.metrics import metrics_markdown
from workers.setting_table import settings_markdown
from workers.taskfiles import load_task

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
REFERENCE = ROOT / "REFERENCE.md"


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(("name", "rendered"), [("settings", settings_markdown), ("metrics", metrics_markdown)])
def test_the_tables_are_those_of_the_code(name, rendered):
    """`make golden` rewrites the tables; here they must be what the code says."""
    between = re.compile(rf"(<!-- {name} -->\n)(.*?)(<!-- /{name} -->)", re.DOTALL)
    if os.environ.get("NANOTRIAGE_GOLDEN") == "write":
        text = REFERENCE.read_text(encoding="utf-8")
        REFERENCE.write_text(between.sub(lambda m: f"{m[1]}{rendered().strip()}\n{m[3]}", text), encoding="utf-8")
    found = between.search(REFERENCE.read_text(encoding="utf-8"))
    assert found is not None
    assert found[2].strip() == rendered().strip(), "run `make golden` if this change is meant"


def test_the_task_of_the_readme_loads(tmp_path):
    """The task file shown is one that the worker takes."""
    (block,) = blocks("yaml")
    (tmp_path / "task.yaml").write_text(block, encoding="utf-8")
    assert load_task(str(tmp_path / "task.yaml")).task.name == "refunds"


def test_the_event_of_the_readme_is_valid():
    """The event shown obeys the published schema."""
    (block,) = blocks("json")
    jsonschema.validate(orjson.loads(block), json_schema("labelled.v1"))


def test_every_command_named_exists():
    """The commands in the README are those of the command line."""
    named = set(re.findall(r"nanotriage ([a-z]+)", " ".join([*blocks(""), *re.findall(r"`nanotriage [^`]*`", README)])))
    assert named
    assert named <= set(COMMANDS)
    assert set(COMMANDS) <= named
