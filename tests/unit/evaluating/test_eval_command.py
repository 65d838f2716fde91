"""`nanotriage eval` as a user runs it, against a server that answers by script."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def evaluate(cwd: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("NANOTRIAGE_", "OPENAI_"))}
    return subprocess.run(
        [sys.executable, "-m", "workers", "eval", *map(str, arguments)],
        cwd=cwd,
        env={**clean, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_json_and_tables_say_the_same(endpoint: str, tmp_path: Path) -> None:
    """Two runs of one sample, one printed as JSON and one as tables: same counts, a known price, a file with the JSON."""
    asked = ("--task", "support_tickets", "--model-url", endpoint, "--limit", 40, "--batch-size", 8)
    done = evaluate(tmp_path, *asked, "--json", "--out", "report.json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert json.loads((tmp_path / "report.json").read_bytes()) == report
    assert report["records"] == 40 == report["labels"]["intent"]["answered"]["of"]
    assert report["labelled"] == 40
    assert report["usage"]["models"] == ["gpt-6-luna"]
    assert report["usage"]["dollars"] > 0
    cancel = report["labels"]["intent"]["classes"]["cancel_order"]
    assert (cancel["answers"], report["labels"]["intent"]["answered"]["right"]) == (40, cancel["gold"])
    assert "sentiment" not in report["labels"]
    plain = evaluate(tmp_path, *asked)
    assert plain.returncode == 0, plain.stderr
    assert "Classes of intent, worst first" in plain.stdout
    assert "all records" in plain.stdout


def test_gold_is_opened_when_the_run_has_ended(endpoint: str, tmp_path: Path) -> None:
    """A gold file that is none is found out only after all messages were labelled: nobody looked into it before."""
    gold = tmp_path / "gold.jsonl"
    gold.write_text("no gold at all\n")
    done = evaluate(tmp_path, "--task", "support_tickets", "--model-url", endpoint, "--limit", 5, "--data", gold)
    assert done.returncode == 2
    assert "gold.jsonl:1: is not JSON" in done.stderr
    assert "5/5" in done.stderr


def test_a_users_mistake_is_one_sentence(tmp_path: Path) -> None:
    """No traceback, exit code 2."""
    done = evaluate(tmp_path, "--task", "support_tickets", "--local", "--model", "x")
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)


def test_a_run_is_compared_with_an_earlier_one(endpoint: str, tmp_path: Path) -> None:
    """The same answers twice: nothing differs, and the page with the plots is written; what is no report is refused."""
    asked = ("--task", "support_tickets", "--model-url", endpoint, "--limit", 30)
    assert evaluate(tmp_path, *asked, "--out", "one.json").returncode == 0
    done = evaluate(tmp_path, *asked, "--against", "one.json", "--html", "report.html", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert {one["verdict"] for one in report["compared"]} == {"no difference shown"}
    assert {one["shared"] for one in report["compared"]} == {30}
    assert report["usage"]["seconds_of_a_call"]["p99"] > 0
    assert "<svg" in (tmp_path / "report.html").read_text()
    (tmp_path / "other.json").write_text("{}")
    refused = evaluate(tmp_path, *asked, "--against", "other.json")
    assert refused.returncode == 2
    assert "other.json is no report of `nanotriage eval`" in refused.stderr
