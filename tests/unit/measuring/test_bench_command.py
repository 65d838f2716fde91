"""`nanotriage bench` as a user runs it, against the fake model."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.fakes.model_process import FakeModel
from workers.commands.bench import chart_values, is_here, r_pod
from workers.measuring.plan import Measure, Point

ROOT = Path(__file__).resolve().parents[3]


def bench(cwd, *arguments):
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("NANOTRIAGE_", "OPENAI_"))}
    return subprocess.run(
        [sys.executable, "-m", "workers", "bench", "--task", "support_tickets", *map(str, arguments)],
        cwd=cwd,
        env={**clean, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_it_finds_the_batch_and_the_concurrency(tmp_path):
    """A model whose calls take as long for many messages as for one is best asked about many, several at once."""
    with FakeModel("--latency-ms", "250") as fake:
        done = bench(tmp_path, "--model-url", fake.base_url, "--batch", 4, "--concurrency", 4, "--json")
        stats = fake.stats()
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["best"]["batch"], said["best"]["concurrency"]) == (4, 4)
    assert 0 < said["r_pod"] <= said["best"]["messages_per_second"]
    assert said["best"]["dollars_per_1000_messages"] > 0
    assert all(point["answered_share"] == 1 for point in said["points"])
    assert sum(point["batch"] * point["concurrency"] * 3 for point in said["points"]) <= stats["items"]


def test_no_call_is_made_that_the_model_cannot_take(tmp_path):
    """Batches are tried up to what fits, which is said; where nothing fits, that is the answer."""
    with FakeModel() as fake:
        small = ("--model-url", fake.base_url, "--batch", 16, "--concurrency", 1, "--json", "--set")
        done = bench(tmp_path, *small, "model.max_output_tokens=600")
        none = bench(tmp_path, *small, "model.max_output_tokens=100")
    assert done.returncode == 0, done.stderr
    assert "More than 4 messages a call do not fit" in done.stderr
    assert max(point["batch"] for point in json.loads(done.stdout)["points"]) == 4
    assert none.returncode == 2
    assert "leaves no room for a message" in none.stderr


def test_a_limit_shows_as_failed_calls(tmp_path):
    """Calls above the endpoint's limit fail, are counted, and are not the best setting."""
    with FakeModel("--latency-ms", "5", "--rpm", "300") as fake:
        done = bench(tmp_path, "--model-url", fake.base_url, "--batch", 2, "--concurrency", 4)
    assert done.returncode == 0, done.stderr
    assert "FAILED CALLS" in done.stdout


def test_pod_prints_a_values_file_and_nothing_else(tmp_path):
    """Its output is a file for `helm --values`; progress goes to the terminal."""
    with FakeModel("--latency-ms", "200") as fake:
        done = bench(tmp_path, "--model-url", fake.base_url, "--batch", 2, "--concurrency", 2, "--pod")
    assert done.returncode == 0, done.stderr
    values = yaml.safe_load(done.stdout)
    assert values["settings"] == {"batching": {"max_items": 2}, "model": {"concurrency": 2}}
    assert values["scaling"]["messagesPerSecondPerPod"] > 0
    assert values["scaling"]["tokensPerMessage"] > 0
    assert "messages a second" in done.stderr


def test_tokens_that_are_not_counted_are_left_to_the_chart():
    """An endpoint without usage says nothing of them."""
    measured = Measure(Point(8, 4), 2.0, 64, 64, 0, 0, 0, 0, ())
    assert chart_values(measured)["scaling"] == {"messagesPerSecondPerPod": 32}


def test_money_is_not_spent_unasked(tmp_path):
    """An endpoint elsewhere is not called without --yes; the sentence says what it would cost."""
    done = bench(tmp_path, "--model-url", "https://models.invalid/v1")
    assert done.returncode == 2
    assert "US dollars" in done.stderr
    assert "--yes" in done.stderr


def test_a_refused_key_is_one_sentence(tmp_path):
    """Exit code 4."""
    with FakeModel("--key", "right") as fake:
        done = bench(tmp_path, "--model-url", fake.base_url)
    assert (done.returncode, len(done.stderr.splitlines())) == (4, 1)


@pytest.mark.parametrize(
    ("url", "here"),
    [
        ("http://127.0.0.1:8000/v1", True),
        ("http://localhost/v1", True),
        ("http://[::1]:1/v1", True),
        ("http://10.0.0.1/v1", False),
    ],
)
def test_only_this_machine_is_free(url, here):
    """Another machine's model may be paid for."""
    assert is_here(url) is here


@pytest.mark.parametrize(("read", "expected"), [(0.234, 0.23), (7, 7), (94, 94), (1234, 1200)])
def test_r_pod_is_rounded_down(read, expected):
    """A target that is a little too low adds a pod too many, one that is too high leaves lag."""
    assert r_pod(Measure(Point(1, 1), 1.0, 10, read, 0, 0, 0, 0, ())) == expected
