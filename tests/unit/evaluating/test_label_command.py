"""`nanotriage label` as a user runs it, against a server that answers by script."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from workers.commands.label import label
from workers.exits import UserError

ROOT = Path(__file__).resolve().parents[3]
TASK = """
name: mine
source: {topic: in, text: body, id: id}
instructions: Label.
fields: {intent: {kind: label, labels: {b: one, c: two}}, amount: {kind: extract, type: money}}
thresholds: {default: 0.5}
routes: {labelled: l, escalated: e, dead: d}
"""


def run(cwd: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("NANOTRIAGE_", "OPENAI_"))}
    return subprocess.run(
        [sys.executable, "-m", "workers", "label", *map(str, arguments)],
        cwd=cwd,
        env={**clean, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_every_row_comes_back_in_its_place_with_what_came_out(endpoint: str, tmp_path: Path) -> None:
    """Rows with one id twice, without an id and without a text: all are there, in order, with their own columns untouched."""
    (tmp_path / "mine.yaml").write_text(TASK)
    rows = [[str(n % 5) if n % 7 else "", f"text {n}" if n != 9 else "", f"note {n}"] for n in range(40)]
    with (tmp_path / "in.csv").open("w", newline="") as file:
        csv.writer(file, delimiter=";").writerows([["id", "body", "note"], *rows])
    asked = ("in.csv", "--task", "mine.yaml", "--model-url", endpoint)
    done = run(tmp_path, *asked, "--out", "out.csv", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["messages"] == 40
    with (tmp_path / "out.csv").open(newline="") as file:
        found = list(csv.DictReader(file, delimiter=";"))
    assert [[row["id"], row["body"], row["note"]] for row in found] == rows
    assert [n for n, row in enumerate(found) if row["nt_outcome"] == "dead"] == [9]
    assert {row["nt_intent"] for n, row in enumerate(found) if n != 9} == {"b"}
    again = run(tmp_path, *asked, "--out", "out.jsonl", "--limit", 3)
    assert again.returncode == 0, again.stderr
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [line["fields"]["intent"] for line in lines] == ["b"] * 3
    assert "Written: out.jsonl" in again.stdout


def test_files_that_do_not_go_together_are_refused_before_anybody_is_asked(tmp_path: Path) -> None:
    """What is read is not written over, JSON has no columns to keep, and a missing folder is no loss of an hour's answers."""
    task, data = tmp_path / "mine.yaml", tmp_path / "in.jsonl"
    task.write_text(TASK)
    data.write_text('{"id": "1", "body": "x"}\n')
    wrong = {data: "is what is read", tmp_path / "o.csv": "no columns to keep", tmp_path / "no" / "o.jsonl": "no folder"}
    for out, words in wrong.items():
        with pytest.raises(UserError, match=words):
            label(data, str(task), out)
