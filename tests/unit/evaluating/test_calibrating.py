"""Calibrating through the real stages: what a run without a calibration shows, and what a run with it then accepts."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from schemas.events import EventKind
from schemas.promise import Promise
from schemas.task import Task
from schemas.verdict import Assurance, SignalKind
from tests.fakes.scripted_model import ScriptedModel
from workers.cli import main
from workers.evaluating.calibrating import Made, answers_of, calibrate, evidence
from workers.evaluating.calibration_report import advice, calibration_json, calibration_tables
from workers.evaluating.dry_run import DryRun, dry_run
from workers.evaluating.inputs import Input
from workers.evaluating.metered import Meter
from workers.evaluating.outcome import Answered, Outcome
from workers.evaluating.promise_score import promise_score
from workers.evaluating.report import promise as promise_table
from workers.evaluating.scoring import score as scored
from workers.exits import UserError
from workers.promising.binding import Hashes, bound_of
from workers.settings import load_settings
from workers.taskfiles import load_task

ROOT = Path(__file__).resolve().parents[3]
SHIPPED = load_task("banking_support")
FLAGS = {
    "health.port": "off",
    "stop_seconds": 1,
    "model.logprobs": "off",
    "delivery.commit_seconds": 0.01,
    "model.name": "nano",
}
LOW = {str(n) for n in range(0, 1_800, 3)}
LABELS = list(SHIPPED.task.fields["intent"].labels)


def promised(**promise):
    task = SHIPPED.task.model_copy(update={"promise": Promise(**{"error": 0.05, **promise}), "thresholds": None})
    return replace(SHIPPED, task=task)


async def run(loaded, calibration=None, numbers=range(600)):
    """Send the messages, by default 600, through the worker's stages; the model calls itself sure of two in three."""
    inputs = [Input(json.dumps({"id": str(n), "message": f"message {n}"}).encode(), None, str(n)) for n in numbers]
    model = ScriptedModel(lambda text: {"sure": "low" if text.split()[1] in LOW else "high"})
    settings = load_settings(FLAGS)
    outcomes = await dry_run(
        DryRun(loaded, inputs, settings, model, "test", 20.0, calibration), Meter(), lambda _done, _why: None
    )
    answers = answers_of(outcomes)
    return outcomes, bound_of(loaded.task, answers.signal, "nano", Hashes(*answers.hashes), 16), answers


def gold_of(count=600):
    """The model always says the first label, and errs once in fifty where it is sure, else every second time."""
    wrong = [n for n in range(count) if (n % 2 == 0 if n % 3 == 0 else n % 50 == 1)]
    return {str(n): {"intent": LABELS[n in wrong]} for n in range(count)}


async def test_what_is_calibrated_is_then_accepted():
    """Without a calibration all is escalated; with it those that the promise holds for; one that does not fit is refused."""
    loaded = promised()
    outcomes, bound, answers = await run(loaded)
    assert {one.reason for one in outcomes} == {"not_calibrated"}
    seen = evidence(loaded.task, gold_of(), outcomes)
    made = calibrate(seen, bound, Made(date(2026, 11, 21), "test", "", answers.models))
    assert (made.counts.examples, made.counts.wrong, made.answered_by) == (600, 108, ("scripted",))
    assert made.groups["*"].least == 0.9
    assert (made.groups["*"].accepted, made.groups["*"].wrong) == (400, 8)
    assert calibration_json(made, seen)["coverage"] == pytest.approx(2 / 3, abs=1e-3)
    assert calibration_json(made, seen)["least_escalated"] == pytest.approx(0.13 / 0.95, abs=1e-3)
    assert [title for title, *_ in calibration_tables(made, seen)][:2] == ["Feasibility", "Thresholds"]
    assert advice(made) == []

    after, _, _ = await run(loaded, made)
    assert sum(one.kind is EventKind.LABELLED for one in after) == 400
    assert {one.reason for one in after} == {None, "low_confidence"}
    score = promise_score(loaded.task, gold_of(), after, made, "other")
    assert (score.wrong.hits, score.wrong.of, score.kept, score.rehearsed) == (8, 400, True, False)
    assert score.calibration_error < 0.03
    assert promise_score(loaded.task, gold_of(), after, made, "").rehearsed

    other = made.model_copy(update={"bound": made.bound.model_copy(update={"prompt": "other"})})
    with pytest.raises(UserError, match=r"the calibration of task banking_support is of prompt other"):
        await run(loaded, other)


def outcome(number, score, label="activate_my_card", doubts=("not_calibrated",), model="nano"):
    said = Assurance(score, None, SignalKind.LOGPROBS)
    answered = Answered(doubts, {"intent": score}, {}, said, model, "p", "s", 1, 0)
    return Outcome(str(number), EventKind.ESCALATED, {"intent": label}, doubts[0], answered)


def made_of(task: Task, gold, outcomes):
    seen = evidence(task, gold, outcomes)
    bound = bound_of(task, SignalKind.LOGPROBS, "nano", Hashes("p", "s"), 16)
    return seen, calibrate(seen, bound, Made(date(2026, 11, 21), "test", "", ("nano",)))


def test_only_what_would_be_published_is_an_example():
    """A message that a check escalates anyway says nothing; one without gold tells its score, and no more."""
    task = promised().task
    outcomes = [
        outcome(1, 0.9),
        outcome(2, 0.8, doubts=("unknown", "not_calibrated")),
        outcome(3, 0.7),
        Outcome("4", EventKind.DEAD, {}, "empty"),
    ]
    seen = evidence(task, {"1": {"intent": LABELS[0]}, "2": {"intent": LABELS[0]}, "4": {"intent": LABELS[0]}}, outcomes)
    assert [(one.score, one.right) for one in seen.examples["*"]] == [(0.9, True)]
    assert seen.unlabelled["*"] == [0.7]
    assert (seen.records, seen.labelled) == (4, 3)


def test_a_label_with_its_own_promise_is_tested_alone():
    """At half the risk; where its examples are too few, it says how many are missing, and is escalated."""
    task = promised(labels={"field": "intent", "errors": {LABELS[1]: 0.02}}).task
    outcomes = [outcome(n, 1 - n / 1000, LABELS[n % 10 == 0]) for n in range(600)]
    gold = {str(n): {"intent": LABELS[n % 10 == 0]} for n in range(600)}
    seen, made = made_of(task, gold, outcomes)
    assert made.groups["*"].least is not None
    own = made.groups[LABELS[1]]
    assert (own.least, own.examples, own.missing) == (None, 60, 149 - 60)
    said = f"No threshold keeps an error of 2.0 %, so every {LABELS[1]} will be escalated:"
    assert advice(made) == [f"{said} about 89 more labelled examples may be enough."]
    assert calibration_json(made, seen)["least_escalated"] is None


@pytest.mark.parametrize(("error", "own", "kept"), [(0.1, 0.02, False), (0.005, 0.2, True)])
def test_a_promise_is_kept_when_each_label_keeps_its_own(error, own, kept):
    """One in ten is wrong under the second label, and none of the others: one in a hundred of all."""
    task = promised(error=error, labels={"field": "intent", "errors": {LABELS[1]: own}}).task
    outcomes = [replace(outcome(n, 0.9, LABELS[n % 10 == 0]), kind=EventKind.LABELLED) for n in range(1_000)]
    gold = {str(n): {"intent": LABELS[n % 10 == 0 and n % 100 != 0]} for n in range(1_000)}
    _, made = made_of(task, gold, outcomes)
    found = promise_score(task, gold, outcomes, made, "other")
    assert {name: (one.wrong.hits, one.wrong.of) for name, one in found.groups.items()} == {LABELS[1]: (10, 100), "*": (0, 900)}
    assert found.kept is kept
    shown = dict(promise_table(replace(scored(task, gold, outcomes), promise=found))[2])
    assert shown[f"wrong under {LABELS[1]}, at most {own:.1%}".replace("%", " %")].startswith("10.0 %")


def test_out_of_scope_messages_that_got_a_label_are_wrong():
    """Gold says unknown, the model says a label: that is an error like any other."""
    seen, _ = made_of(promised().task, {"1": {"intent": "unknown"}, "2": {"intent": None}}, [outcome(1, 0.9), outcome(2, 0.9)])
    assert [one.right for one in seen.examples["*"]] == [False, False]


def test_answers_that_cannot_be_calibrated_are_refused():
    """None with a confidence, or answers to different prompts."""
    with pytest.raises(UserError, match="no answer has a confidence"):
        answers_of([Outcome("1", EventKind.DEAD, {}, "empty")])
    one = outcome(1, 0.9)
    with pytest.raises(UserError, match="different prompts"):
        answers_of([one, replace(one, answered=replace(one.answered, prompt="q"))])


def command(cwd: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("NANOTRIAGE_", "OPENAI_"))}
    folder = {"NANOTRIAGE_CALIBRATION_FOLDER": str(cwd), "PYTHONPATH": str(ROOT)}
    line = [sys.executable, "-m", "workers", *map(str, arguments)]
    return subprocess.run(line, cwd=cwd, env=clean | folder, capture_output=True, text=True, timeout=250, check=False)


@pytest.mark.timeout(300)
def test_the_command_writes_a_file_that_eval_takes_and_says_what_is_missing(endpoint: str, tmp_path: Path) -> None:
    """A model that says one thing to everything: no threshold, exit code 1, everything escalated, and the reason said."""
    yaml = SHIPPED.path.read_text(encoding="utf-8").replace("thresholds:\n  default: 0.6", "promise: {error: 0.05}")
    (tmp_path / "task.yaml").write_text(yaml.replace("examples: examples.jsonl", ""), encoding="utf-8")
    for path, name in ((SHIPPED.sample_path, "sample.jsonl"), (SHIPPED.gold_path, "gold.jsonl")):
        (tmp_path / name).write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:120]))
    asked = ("--task", tmp_path / "task.yaml", "--model-url", endpoint)
    done = command(tmp_path, "calibrate", *asked)
    assert done.returncode == 1, done.stderr
    assert "of its" in done.stdout and "a better prompt or model is needed" in done.stdout  # noqa: PT018
    assert (tmp_path / "banking_support.calibration.json").is_file()
    measured = command(tmp_path, "eval", *asked, "--json")
    assert measured.returncode == 0, measured.stderr
    report = json.loads(measured.stdout)
    assert (report["labelled"], report["escalations_by_reason"]) == (0, {"low_confidence": 120})
    assert report["promise"]["rehearsed"] is True
    assert report["promise"]["measured"]["of"] == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--confidence", "0.9"], "--confidence goes with --error"),
        (["--unknown", "0.05"], "--unknown goes with --error"),
        (["--error", "0.7"], "--error and --unknown are between 0 and 0.5"),
        ([], "task banking_support states no promise: add `promise: {error: 0.05}` to it, or try one with --error"),
    ],
)
def test_a_promise_that_is_none_is_one_sentence(arguments, said, capsys):
    """Before anything is asked; exit code 2."""
    assert main(["calibrate", "--task", "banking_support", *arguments]) == 2
    printed = capsys.readouterr().err
    assert said in printed
    assert len(printed.splitlines()) == 1


async def test_agreement_is_calibrated_like_any_signal():
    """Through all stages: a model that takes the first label of any list never agrees with itself, and says so in its scores."""
    inputs = [Input(json.dumps({"id": str(n), "message": f"message {n}"}).encode(), None, str(n)) for n in range(20)]
    model = ScriptedModel()
    settings = load_settings({**FLAGS, "model.votes": 2})
    outcomes = await dry_run(DryRun(promised(), inputs, settings, model, "test", 20.0), Meter(), lambda _done, _why: None)
    assert answers_of(outcomes).signal is SignalKind.AGREEMENT
    assert {one.answered.assurance.score for one in outcomes} == {0.25}
    assert {one.reason for one in outcomes} == {"not_calibrated"}
    assert sum(len(texts) == 1 for texts in model.texts) >= 40
