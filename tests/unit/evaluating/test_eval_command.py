"""`nanotriage eval` as a user runs it, against a server that answers by script."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

ROOT = Path(__file__).resolve().parents[3]


class Answering(BaseHTTPRequestHandler):
    """Says A, neutral and high to everything."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        items = json.loads(body["messages"][1]["content"])["items"]
        properties = body["response_format"]["json_schema"]["schema"]["properties"]["r"]["items"]["properties"]
        reply = [
            {name: item["ref"] if name == "ref" else schema.get("enum", [None])[0] for name, schema in properties.items()}
            for item in items
        ]
        choice = {
            "index": 0,
            "finish_reason": "stop",
            "message": {"role": "assistant", "content": json.dumps({"r": reply}), "refusal": None},
            "logprobs": None,
        }
        usage = {"prompt_tokens": 10 * len(items), "completion_tokens": len(items), "total_tokens": 11 * len(items)}
        answer = json.dumps(
            {"id": "x", "object": "chat.completion", "created": 1, "model": "gpt-6-luna", "choices": [choice], "usage": usage}
        ).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def endpoint() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    server.server_close()
    thread.join()


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
