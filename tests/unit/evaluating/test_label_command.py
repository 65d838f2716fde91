"""`nanotriage label` as a user runs it, against a server that answers by script."""

import csv
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from threading import Event
from typing import Any, ClassVar

import pytest

from tests.helpers import wait_until
from tests.unit.evaluating.answering import Answering, serving
from workers.commands.label import label
from workers.exits import Exit, UserError

ROOT = Path(__file__).resolve().parents[3]
TASK = """
name: mine
source: {topic: in, text: body, id: id}
instructions: Label.
fields: {intent: {kind: label, labels: {b: one, c: two}}, amount: {kind: extract, type: money}}
thresholds: {default: 0.5}
routes: {labelled: l, escalated: e, dead: d}
"""


class Ending(Answering):
    """Answers about `most` texts and no more: refuses the account, or is silent until `released`."""

    most = 12
    silent = False
    texts: ClassVar[list[str]] = []
    released = Event()

    def answer(self, body: dict[str, Any]) -> None:
        texts = [item["text"] for item in json.loads(body["messages"][1]["content"])["items"]]
        if len(self.texts) < self.most:
            self.texts.extend(text for text in texts if text.startswith("text"))  # others try out what the route can do
            super().answer(body)
        elif not self.silent:
            self.send_error(401)
        else:
            self.released.wait(60)


def start(cwd: Path, *arguments: object) -> subprocess.Popen[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("NANOTRIAGE_", "OPENAI_"))}
    return subprocess.Popen(
        [sys.executable, "-m", "workers", "label", *map(str, arguments)],
        cwd=cwd,
        env={**clean, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(cwd: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    with start(cwd, *arguments) as command:
        said, told = command.communicate(timeout=60)
    return subprocess.CompletedProcess(command.args, command.returncode, said, told)


def read(path: Path) -> list[dict[str, Any]]:
    """Return what is in the file, with the same names for both kinds."""
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text().splitlines()]
    with path.open(newline="") as file:
        return [{"id": row["id"], "outcome": row["nt_outcome"] or None} for row in csv.DictReader(file)]


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


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a task, forty messages, and nothing said of the model."""
    for name in [name for name in os.environ if name.startswith(("NANOTRIAGE_", "OPENAI_"))]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text(TASK)
    with Path("in.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["id", "body"], *([n, f"text {n}"] for n in range(40))])
    return tmp_path


@pytest.mark.parametrize(("name", "interrupted"), [("out.csv", True), ("out.jsonl", False)])
def test_a_run_that_ends_early_keeps_what_it_has_and_another_asks_about_the_rest(
    folder: Path, capsys: pytest.CaptureFixture[str], name: str, *, interrupted: bool
) -> None:
    """Ctrl-C, or a refused account: the next run asks about no message that has an outcome; every row is there after both."""

    class Mine(Ending):
        silent = interrupted
        texts: ClassVar[list[str]] = []
        released = Event()

    out = Path(name)
    with serving(Mine) as base_url:

        def ask() -> None:
            label(Path("in.csv"), "mine.yaml", out, model_url=base_url, go_on=True, as_json=True)

        if interrupted:
            with start(folder, "in.csv", "--task", "mine.yaml", "--out", name, "--model-url", base_url) as first:
                wait_until(lambda: len(Mine.texts) >= Mine.most, 30)
                first.send_signal(signal.SIGINT)
                _, told = first.communicate(timeout=60)
                Mine.released.set()
            assert first.returncode == Exit.INTERRUPTED, told
        else:
            with pytest.raises(UserError, match="stopped answering"):
                ask()
            told = capsys.readouterr().err
        kept = read(out)
        assert [row["id"] for row in kept] == [str(n) for n in range(40)]
        done, answered, Mine.most = sum(row["outcome"] is not None for row in kept), len(Mine.texts), 1000
        assert 0 < done <= answered
        assert f"{name} has {done} of 40 messages" in told
        ask()
        assert set(Mine.texts) == {f"text {n}" for n in range(40)}
        assert len(Mine.texts) == answered + 40 - done
        assert {row["outcome"] for row in read(out)} == {"labelled"}
        capsys.readouterr()
        ask()
        assert json.loads(capsys.readouterr().out)["usage"] is None
    assert len(Mine.texts) == answered + 40 - done


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("name", ["out.csv", "out.jsonl"])
def test_an_earlier_file_of_other_messages_or_another_task_is_refused(endpoint: str, name: str) -> None:
    """Nobody is asked, and the file stays as it was."""
    label(Path("in.csv"), "mine.yaml", Path(name), model_url=endpoint, limit=2)
    before = Path(name).read_bytes()
    Path("theirs.yaml").write_text(TASK.replace("intent", "mood"))
    Path("other.csv").write_text("id,body\n1,text 0\n2,text 1\n")
    for file, task, limit in (("other.csv", "mine.yaml", None), ("in.csv", "theirs.yaml", None), ("in.csv", "mine.yaml", 1)):
        with pytest.raises(UserError, match=r"leave (out --go-on|it out)"):
            label(Path(file), task, Path(name), go_on=True, limit=limit)
    assert Path(name).read_bytes() == before
