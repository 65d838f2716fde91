"""What in the chart follows from code and values is generated, and changes only with them (`make golden` writes it)."""

import os
import re

import pytest

from tests.tools import chart_documents
from tests.tools.chart_documents import CHART
from tests.tools.dashboard import dashboard
from workers.metrics import catalogue
from workers.setting_table import describe


def kept(name: str, text: str) -> None:
    path = CHART / name
    if os.environ.get("NANOTRIAGE_GOLDEN") == "write":
        path.write_text(text, encoding="utf-8")
    if path.read_text(encoding="utf-8") != text:
        pytest.fail(f"{path.name} is not what follows from values and code: run `make golden` if this change is meant")


def test_the_schema_of_the_values_knows_every_setting():
    """A misspelt setting is refused by Helm, with its name."""
    kept("values.schema.json", chart_documents.schema())


def test_the_schema_takes_no_secret():
    """Values end in a ConfigMap of Helm's and in the pod's description: secrets come from Secrets."""
    inner = chart_documents.schema()
    assert '"group"' in inner
    assert [row.name for row in describe() if row.secret and f'"{row.path[-1]}"' in inner] == []


def test_the_topics_of_shipped_tasks_are_theirs():
    """The chart makes topics, grants and triggers of them."""
    kept("files/shipped.yaml", chart_documents.shipped())


def test_the_readme_lists_every_value():
    """With its default and what it means."""
    text = (CHART / "README.md").read_text(encoding="utf-8")
    table = f"<!-- values -->\n{chart_documents.table()}<!-- /values -->"
    kept("README.md", re.sub(r"<!-- values -->.*<!-- /values -->", lambda _: table, text, flags=re.DOTALL))


def test_the_dashboard_shows_the_catalogue():
    """A panel for each metric, whatever is added to it."""
    text = dashboard()
    kept("files/dashboard.json", text)
    assert [metric.exposed for metric in catalogue() if metric.exposed not in text] == []


def test_every_value_says_what_it_means():
    """No value without a sentence of its own or of its section."""
    named = set(re.findall(r"^\| `([\w.]+)`", chart_documents.table(), re.MULTILINE))
    leaves = {".".join(path) for path in _leaves(chart_documents.values(), ())}
    assert {leaf for leaf in leaves if not any(leaf == n or leaf.startswith(f"{n}.") for n in named)} == set()


def _leaves(tree, above):
    for name, value in tree.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, (*above, name))
        else:
            yield (*above, name)
