"""The dry run: the worker's own way from record to event, over the log in memory, with a scripted model."""

from dataclasses import replace

import pytest

from schemas.context import ContextRule
from schemas.events import EventKind
from tests.fakes.scripted_model import ScriptedModel
from workers.asking.model import Barred, TryAgain
from workers.commands.dry import files_of
from workers.evaluating.dry_run import DryRun, dry_run
from workers.evaluating.figures import usage_json, usage_line
from workers.evaluating.inputs import Input, load_inputs
from workers.evaluating.metered import Meter
from workers.exits import Exit, UserError
from workers.setting_model import Price
from workers.settings import load_settings
from workers.taskfiles import load_task

LOADED = load_task("support_tickets")
INPUTS = [*load_inputs(LOADED.sample_path, LOADED.task.source, 50), Input(b"{", None, None)]
FLAGS = {"health.port": "off", "stop_seconds": 1, "model.logprobs": "off", "delivery.commit_seconds": 0.01, "kafka.app": "eval"}


def wanted(model, stall_seconds=20.0):
    return DryRun(LOADED, INPUTS, load_settings(FLAGS), model, "test", stall_seconds)


async def test_every_input_has_one_outcome():
    """Fifty messages and a broken record: each ends once, under the id it was sent with, and the meter counted the calls."""
    meter, seen = Meter(), []
    outcomes = await dry_run(wanted(ScriptedModel()), meter, lambda done, _why: seen.append(done))
    assert sorted(one.message_id or "" for one in outcomes) == sorted(each.message_id or "" for each in INPUTS)
    assert [one.reason for one in outcomes if one.kind is EventKind.DEAD] == ["undecodable"]
    assert {one.fields["intent"] for one in outcomes if one.kind is EventKind.LABELLED} == {"cancel_order"}
    assert seen[-1] <= len(INPUTS)
    assert seen == sorted(seen)
    assert (meter.calls["answer"], meter.tokens["input"]) == (meter.models["scripted"], 100 * meter.calls["answer"])


async def test_what_only_a_fleet_has_does_not_keep_a_task_from_being_measured():
    """Settings with topics for controls and summaries, and a task with conversations: every input still has its outcome."""
    fleet = load_settings({**FLAGS, "controls.topic": "controls", "delivery.summary_topic": "summaries"})
    talking = LOADED.task.model_copy(update={"context": ContextRule(topic="conversations")})
    dry = replace(wanted(ScriptedModel()), settings=fleet, loaded=replace(LOADED, task=talking))
    outcomes = await dry_run(dry, Meter(), lambda _done, _why: None)
    assert sorted(one.message_id or "" for one in outcomes) == sorted(each.message_id or "" for each in INPUTS)


async def test_a_model_that_bars_us_ends_the_run_with_its_sentence():
    """A refused account in the midst of a run is said at once, with how far it came; nobody waits for a minute."""
    model = ScriptedModel()
    model.always = lambda items: Barred("the quota is spent") if len(model.texts) > 3 else None
    with pytest.raises(UserError, match=r"stopped answering after \d+ of 51 messages: the quota is spent") as refused:
        await dry_run(wanted(model), Meter(), lambda _done, _why: None)
    assert refused.value.code is Exit.MODEL
    assert model.closed


async def test_a_model_that_never_answers_ends_the_run():
    """Nothing came out for as long as one waits: the run ends and says why."""
    model = ScriptedModel()
    model.always = lambda _items: TryAgain("overloaded") if len(model.texts) > 1 else None
    with pytest.raises(UserError, match=r"nothing came out for 0\.5 s .*overloaded"):
        await dry_run(wanted(model, stall_seconds=0.5), Meter(), lambda _done, _why: None)


async def test_who_waits_is_told_why(monkeypatch):
    """Before a run gives up it says what it waits for, and nothing of the kind while outcomes come."""
    monkeypatch.setattr("workers.evaluating.dry_run._PATIENT_SECONDS", 0.1)
    model, told = ScriptedModel(), []
    model.always = lambda _items: TryAgain("overloaded") if len(model.texts) > 1 else None
    with pytest.raises(UserError, match="overloaded"):
        await dry_run(wanted(model, stall_seconds=0.5), Meter(), lambda _done, why: told.append(why))
    assert {why for why in told if why is not None} == {"overloaded"}


async def test_a_refused_start_is_the_workers_own_sentence():
    """A key that is refused at the first question ends the run as it ends `nanotriage run`."""
    model = ScriptedModel()
    model.always = lambda _items: Barred("the key is refused")
    with pytest.raises(UserError, match="the key is refused") as refused:
        await dry_run(wanted(model), Meter(), lambda _done, _why: None)
    assert refused.value.code is Exit.MODEL


def test_an_unknown_price_is_said_to_be_unknown():
    """Cost is null and `unknown` without a price or without tokens, and a figure with both."""
    meter = Meter()
    assert usage_json(meter, Price(input=1, cached=1, output=1), 10)["dollars"] is None
    assert "unknown" in usage_line(meter, None, 10)
    meter.models["m"] += 1
    meter.tokens.update(input=1_000_000, output=1_000_000)
    assert usage_json(meter, None, 10)["dollars"] is None
    used = usage_json(meter, Price(input=1, cached=0, output=2), 10)
    assert (used["dollars"], used["dollars_per_1000_messages"]) == (3, 300)
    assert "3.0000 US dollars" in usage_line(meter, Price(input=1, cached=0, output=2), 10)


def test_files_are_found_without_being_read(tmp_path):
    """By default the task's own; a folder means its gold file; the sample beside the gold wins; what is missing is one sentence."""
    assert files_of(LOADED, None, None).gold == LOADED.gold_path
    gold = tmp_path / "gold.jsonl"
    gold.write_bytes(b"\xff not even JSON: nobody looks before the run has ended")
    assert files_of(LOADED, tmp_path, None).sample == LOADED.sample_path
    (tmp_path / "sample.jsonl").write_text("x")
    assert files_of(LOADED, gold, None).sample == tmp_path / "sample.jsonl"
    with pytest.raises(UserError, match="there is no file"):
        files_of(LOADED, tmp_path / "none.jsonl", None)
    with pytest.raises(UserError, match="there is no file"):
        files_of(LOADED, gold, tmp_path / "none.jsonl")
