"""Messages for which unknown is the right answer: counted by calibrate and eval, with what a promise about them costs."""

from dataclasses import replace
from datetime import date

import pytest

from schemas.events import EventKind
from schemas.promise import Promise
from schemas.task import Task
from tests.unit.evaluating.test_calibrating import LABELS, made_of, outcome, promised, run
from workers.evaluating.calibrating import Made, calibrate, evidence
from workers.evaluating.calibration_report import advice, calibration_json, calibration_tables
from workers.evaluating.gold import says_unknown
from workers.evaluating.promise_score import promise_score
from workers.evaluating.report import promise as promise_table
from workers.evaluating.scoring import score
from workers.evaluating.unknown_report import unknown_advice
from workers.promising.binding import Hashes, bound_of

TITLE = "Messages for which unknown is right"


def traffic(count=2_000):
    """The answer is right unless the message is an unknown one: each fortieth, and the surest of these scores 0.975."""
    outcomes = [outcome(n, 1 - n / 2_000) for n in range(count)]
    gold = {str(n): {"intent": "unknown" if n % 40 == 10 and n > 40 else LABELS[0]} for n in range(count)}
    return gold, outcomes


def low_traffic(count=2_000):
    """The same, but each twentieth of the lower half is unknown."""
    gold, outcomes = traffic(count)
    return {name: {"intent": "unknown" if int(name) > 1_000 and int(name) % 20 == 0 else LABELS[0]} for name in gold}, outcomes


def test_a_promise_about_unknown_messages_raises_the_threshold_and_says_what_that_costs():
    """49 of them are examples: none may be labelled, so the threshold lies above their highest score."""
    gold, outcomes = traffic()
    seen, made = made_of(promised(unknown=0.05).task, gold, outcomes)
    found = made.unknowns
    assert (found.promised, found.examples, found.missing) == (0.05, 49, None)
    assert made.groups["*"].least is None  # the strictest tenth already has some of them
    (sentence,) = advice(made)
    assert sentence.endswith("too few reach the scores above which unknown messages are rare enough.")
    said = calibration_json(made, seen)["unknown"]
    assert (said["promised"], said["otherwise"]["promised"], said["otherwise"]["coverage"]) == (0.05, None, 1.0)


def test_where_unknown_messages_score_low_both_promises_leave_most_of_the_coverage():
    """They are all among the lower half, and none of them may be labelled."""
    gold, outcomes = low_traffic()
    seen, made = made_of(promised(unknown=0.05).task, gold, outcomes)
    found = made.unknowns
    assert (found.examples, found.labelled) == (49, 0)
    assert found.bound <= 0.05
    assert 0.49 < made.groups["*"].least <= 0.52
    rows = dict(next(rows for title, _, rows in calibration_tables(made, seen) if title == TITLE))
    assert rows["labelled, promised at most"] == "5.0 %"
    assert rows["of all examples, accepted without this promise"] == "100.0 %"
    assert unknown_advice(made, seen) == []


async def test_what_is_promised_of_unknown_messages_is_kept_in_operation():
    """Calibrated on some messages and run on later ones: none of the unknown is labelled; without that promise, every one is."""
    unknown = {str(n) for n in range(0, 1_800, 30)}
    gold = {str(n): {"intent": "unknown" if str(n) in unknown else LABELS[0]} for n in range(1_500)}
    outcomes, _, answers = await run(promised(), numbers=range(1_500))
    labelled = {}
    for share in (0.05, None):
        loaded = promised(unknown=share)
        bound = bound_of(loaded.task, answers.signal, "nano", Hashes(*answers.hashes), 16)
        made = calibrate(evidence(loaded.task, gold, outcomes), bound, Made(date(2026, 11, 21), "test", "", answers.models))
        later, _, _ = await run(loaded, made, range(1_500, 1_800))
        labelled[share] = {one.message_id for one in later if one.kind is EventKind.LABELLED}
    assert len(labelled[0.05]) == 200
    assert not labelled[0.05] & unknown
    assert len(labelled[None]) == 300


def test_without_a_promise_about_them_what_becomes_of_them_is_said():
    """In one sentence: how many are labelled, and what bounding that would cost. Without any of them, nothing is."""
    gold, outcomes = low_traffic()
    seen, made = made_of(promised().task, gold, outcomes)
    (said,) = unknown_advice(made, seen)
    assert said.startswith(
        "Of the unknown messages 100.0 % would be labelled, and nothing is promised of them: `unknown: 0.05`"
    )
    assert "of the examples instead of 100.0 %" in said
    few = {name: fields for name, fields in gold.items() if int(name) <= 1_200}
    seen, made = made_of(promised().task, few, outcomes[:1_200])
    assert unknown_advice(made, seen)[0].endswith("`unknown: 0.05` in the promise needs about 36 more of them.")
    none = {name: {"intent": LABELS[0]} for name in gold}
    seen, made = made_of(promised().task, none, outcomes)
    assert unknown_advice(made, seen) == []
    assert TITLE not in [title for title, *_ in calibration_tables(made, seen)]


def test_too_few_examples_of_them_escalate_everything_and_say_how_many_are_missing():
    """45 of which none is labelled are the least at 0.05 and 0.9."""
    gold, outcomes = traffic(400)
    seen, made = made_of(promised(unknown=0.05).task, gold, outcomes)
    assert made.unknowns.missing == 45 - made.unknowns.examples
    assert made.groups["*"].least is None
    assert advice(made) == []
    (said,) = unknown_advice(made, seen)
    assert said.startswith("Nothing can be promised of unknown messages by 9 examples of them, so every message is escalated:")
    assert said.endswith("about 36 more whose gold label is `unknown` may be enough.")


def test_one_that_the_model_calls_unknown_is_an_example_that_is_not_labelled():
    """It was answered, and something else than the promise escalates it; a dead letter is no example."""
    task = promised(unknown=0.05).task
    gold = {"1": {"intent": "unknown"}, "2": {"intent": None}, "3": {"intent": "unknown"}}
    outcomes = [
        outcome(1, 0.9),
        outcome(2, 0.8, doubts=("unknown",)),
        replace(outcome(3, 0.7), kind=EventKind.DEAD, answered=None),
    ]
    seen, _ = made_of(task, gold, outcomes)
    assert seen.unknown["*"] == [0.9]
    assert seen.unknowns == 2


def test_eval_shows_what_was_labelled_of_them_beside_what_was_promised():
    """More than promised, and the promise is not kept, however few are wrong among all."""
    task = promised(unknown=0.05).task
    gold, outcomes = traffic()
    _, made = made_of(task, gold, outcomes)
    labelled = [replace(one, kind=EventKind.LABELLED) for one in outcomes[:60]] + outcomes[60:]
    found = promise_score(task, gold, labelled, made, "other")
    assert (found.unknowns.hits, found.unknowns.of, found.wrong.hits) == (1, 49, 1)
    assert found.kept
    shown = dict(promise_table(replace(score(task, gold, labelled), promise=found))[2])
    assert shown["labelled among messages for which unknown is right, promised at most"] == "5.0 %"
    more = [replace(one, kind=EventKind.LABELLED) for one in outcomes[:200]]
    assert promise_score(task, gold, more, made, "other").kept is False


@pytest.mark.parametrize(("gold", "is_so"), [("unknown", True), (None, True), (LABELS[0], False)])
def test_null_says_unknown_too(gold, is_so):
    """In gold labels both are the same; a field that a line leaves out says nothing."""
    assert says_unknown(promised().task, {"intent": gold}) == is_so
    assert not says_unknown(promised().task, {})


def test_a_task_whose_promised_fields_may_be_unknown_promises_nothing_about_unknown_messages():
    """There unknown is an answer like any other, and is published."""
    shipped = promised().task
    optional = {"intent": shipped.fields["intent"].model_copy(update={"required": False})}
    values = shipped.model_dump(exclude={"fields", "promise"}) | {"fields": optional}
    assert Task.model_validate(values | {"promise": Promise(error=0.05)})
    with pytest.raises(ValueError, match="no promised field is required"):
        Task.model_validate(values | {"promise": Promise(error=0.05, unknown=0.05)})
