"""The demo as a user runs it: every input one event, figures that mean something, gold that nobody sees, nothing left behind."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from math import sqrt
from pathlib import Path

import psutil
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from tests.helpers import wait_until
from tests.modelserver_fixtures import model_data
from workers.demo.broker import PARTITIONS
from workers.modelserver.local_model import LocalModel
from workers.modelserver.options import ModelOptions
from workers.taskfiles import load_task, shipped_tasks

__all__ = ["model_data"]
pytestmark = [pytest.mark.local_model, pytest.mark.slow, pytest.mark.timeout(240)]

ROOT = Path(__file__).resolve().parents[2]
MESSAGES = 120
BAD = 5
CLASSES = {"banking_support": 78, "card_transactions": 25, "support_tickets": 28}  # with unknown

AUDIT = """
import os, sys, time
_log = os.open(os.environ["AUDIT_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
def _tell(what):
    os.write(_log, f"{os.getpid()}\\t{' '.join(sys.orig_argv)[-400:]!r}\\t{what}\\n".encode())
_tell("started")
def _hook(event, arguments):
    if event == "open" and "gold" in str(arguments[0]).rpartition("/")[2]:
        _tell("gold")
sys.addaudithook(_hook)
"""


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "workers", "demo", "--json", *map(str, arguments)]


def environment(**variables: str) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("NANOTRIAGE_", "OPENAI_"))}
    return {**clean, "PYTHONPATH": str(ROOT), **variables}


def demo(data: Path, *arguments: object, **variables: str) -> dict:
    """Run the demo and return its figures; it must end with exit code 0."""
    done = subprocess.run(
        command("--data", data, *arguments),
        cwd=data,
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    figures = json.loads(done.stdout)
    assert json.loads((data / "demo.json").read_bytes()) == figures
    return figures


def mentioning(folder: Path) -> list[psutil.Process]:
    """Return the processes that were started with a path inside the folder."""
    running = [process for process in psutil.process_iter(["cmdline"]) if process.pid != os.getpid()]
    return [process for process in running if any(str(folder) in word for word in process.info["cmdline"] or ())]


def test_the_main_job_without_key_broker_or_docker(model_data: Path, tmp_path: Path) -> None:
    """Default demo: each input has one event, the classifier is far above chance, and only the demo itself opens gold, at last."""
    (tmp_path / "audit").mkdir()
    (tmp_path / "audit" / "sitecustomize.py").write_text(AUDIT)
    log = tmp_path / "audit.log"
    paths = os.pathsep.join((str(tmp_path / "audit"), str(ROOT)))
    figures = demo(model_data, "--messages", MESSAGES, PYTHONPATH=paths, AUDIT_LOG=str(log))

    records = MESSAGES * len(shipped_tasks()) + BAD
    once = figures["exactly_once"]
    assert once == {
        "records": records,
        "events": records,
        "lost": 0,
        "doubled": 0,
        "alien": 0,
        "read_to_the_end": True,
        "holds": True,
    }
    assert set(figures["tasks"]) == set(shipped_tasks())
    for name, task in figures["tasks"].items():
        assert task["labelled"] + task["escalated"] + task["dead"] == task["records"]
        assert task["accuracy"]["answered"] > 10 / CLASSES[name]
        assert task["accuracy"]["labelled"] > task["accuracy"]["answered"]
        assert task["tokens"]["input"] > 0
        assert task["dollars"] is None
        assert task["dollars_at_rates_of_gpt-6-luna"] > 0
        assert 0 < task["latency_seconds"]["p50"] <= task["latency_seconds"]["p99"]
    assert figures["totals"]["dead"] == BAD
    assert {example["kind"] for example in figures["examples"]} == {"labelled", "escalated", "dead"}
    assert figures["versions"]["kafka"]
    assert figures["machine"]["processors"] >= 1

    lines = [line.split("\t") for line in log.read_text().splitlines()]
    watched = {words for _, words, what in lines if what == "started"}
    assert any("workers.modelserver" in words for words in watched)
    assert any(" run --task " in words for words in watched)
    assert {words for _, words, what in lines if what == "gold"} == {words for words in watched if "demo --json" in words}
    assert [what for _, _, what in lines][-len(shipped_tasks()) :] == ["gold"] * len(shipped_tasks())
    assert mentioning(model_data) == []
    assert not any((model_data / "kafka").iterdir())


def test_a_labeller_that_knows_nothing_is_at_chance(bootstrap: str, tmp_path: Path) -> None:
    """The negative control through the same path: every input still has one event, and accuracy is that of guessing."""
    figures = demo(tmp_path, "--messages", MESSAGES, "--labeller", "random", "--seed", 7, "--brokers", bootstrap)
    assert figures["exactly_once"]["holds"]
    for name, task in figures["tasks"].items():
        chance = 1 / CLASSES[name]
        assert task["accuracy"]["answered"] <= 3 * chance + 3 * sqrt(chance * (1 - chance) / MESSAGES)


def swapped(task: str, folder: Path) -> Path:
    """Copy a shipped task with every gold label replaced by the next one."""
    loaded = load_task(task)
    folder.mkdir()
    for path in (loaded.path, loaded.examples_path, loaded.sample_path):
        shutil.copy(path, folder)
    (field,) = [name for name in loaded.task.classified() if name != "sentiment"]
    labels = list(loaded.task.fields[field].labels)
    following = dict(zip(labels, [*labels[1:], labels[0]], strict=True))
    with (folder / "gold.jsonl").open("w") as gold:
        for line in loaded.gold_path.read_text().splitlines():
            row = json.loads(line)
            row["fields"] = {field: following.get(row["fields"][field], labels[0])}
            gold.write(json.dumps(row) + "\n")
    return folder


async def published(bootstrap: str, topics: Sequence[str]) -> dict[str, dict]:
    """Return the fields of every answered message on the topics, by message id."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, isolation_level="read_committed", auto_offset_reset="earliest")
    await consumer.start()
    try:
        partitions = [TopicPartition(topic, number) for topic in topics for number in range(PARTITIONS)]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        found = {}
        while any([await consumer.position(partition) < end for partition, end in ends.items()]):
            for records in (await consumer.getmany(timeout_ms=200)).values():
                for record in records:
                    value = json.loads(record.value)
                    found[value["message"]["id"]] = {**value["fields"], "kind": value["event"]}
        return found
    finally:
        await consumer.stop()


@pytest.fixture
def endpoint(model_data: Path, tmp_path: Path) -> Iterator[LocalModel]:
    """A local model that has the examples of one task and never saw its folder's gold file."""
    loaded = load_task("support_tickets")
    folder = tmp_path / "served"
    folder.mkdir()
    for path in (loaded.path, loaded.examples_path):
        shutil.copy(path, folder)
    with LocalModel(ModelOptions(tasks=(str(folder),), data=model_data)) as model:
        yield model


async def test_poisoned_gold_changes_the_score_and_no_event(bootstrap: str, endpoint: LocalModel, tmp_path: Path) -> None:
    """With every gold label swapped the accuracy falls to nothing, and what is published is the same to the last digit."""
    events, scores = [], []
    for task in ("support_tickets", swapped("support_tickets", tmp_path / "poisoned")):
        data = tmp_path / f"data-{len(events)}"
        data.mkdir()
        model = ("--model-url", endpoint.base_url, "--model", endpoint.model)
        figures = demo(data, "--task", task, "--messages", MESSAGES, "--brokers", bootstrap, *model, "--keep")
        run = figures["run"]
        events.append(await published(bootstrap, [f"support.labelled.demo-{run}", f"support.escalated.demo-{run}"]))
        scores.append(figures["tasks"]["support_tickets"]["accuracy"]["answered"])
    assert len(events[0]) == MESSAGES
    assert events[0] == events[1]
    assert scores[0] > 0.7
    assert scores[1] < 0.1


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_nothing_is_left_however_it_ends(number: signal.Signals, model_data: Path) -> None:
    """Killed, told to end or interrupted in the midst of it: broker, model and worker are gone within seconds."""
    running = subprocess.Popen(
        command("--data", model_data, "--task", "support_tickets"),
        cwd=model_data,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509  # a job in the background ignores it
    )
    with running:
        said = next((line for line in running.stderr if "The worker is on" in line), None)
        assert said is not None
        assert len(mentioning(model_data)) >= 4  # the demo, Kafka, model and worker
        running.send_signal(number)
        running.stderr.read()
        code = running.wait(60)
    assert code == (-signal.SIGKILL if number is signal.SIGKILL else 130)
    wait_until(lambda: not mentioning(model_data), 15)
