"""The monitor: what findings, scores and an operator's word make of a promise."""

import orjson
import pytest

from schemas.auditing import Finding, PromiseAlarm, Resumption, note_of
from schemas.events import Claim
from schemas.promise import REST, LabelPromises, Promise
from workers.auditing.choosing import Choice
from workers.auditing.monitor import Monitor, Pledge
from workers.auditing.standing import Status
from workers.promising.shift import sketch_of

LABELS = {"intent": frozenset({"cancel", "track"}), "mood": frozenset({"good", "bad"})}
SKETCH = sketch_of([place / 200 for place in range(100, 200)])


def monitor(promise=None, *, scores=None, escalates=True) -> Monitor:
    return Monitor("tickets", LABELS, Pledge(promise or Promise(error=0.05), ("intent",), "c1", scores, 0.02, 0.25, escalates))


def finding(number: int, *, right: bool = True, calibration="c1", group=REST, labels=None, probability=0.96) -> Finding:
    claim = Claim(
        id=f"e{number}",
        task="tickets",
        calibration=calibration,
        group=group,
        labels={"intent": "cancel", "mood": "good"},
        probability=probability,
        probabilities={"intent": probability},
    )
    return Finding(claim=claim, labels=labels or {"intent": "cancel" if right else "track"})


def test_right_findings_keep_a_promise_and_bound_its_precision() -> None:
    """Counts, precision and its bound, calibration error and Brier score, by field and together."""
    watched = monitor()
    assert watched.standing().status is Status.UNAUDITED
    for number in range(100):
        assert watched.take(finding(number, right=number % 50 > 0))
    standing = watched.standing()
    assert (standing.status, standing.alarm, standing.held) == (Status.KEPT, None, False)
    judged = standing.judged[REST]
    assert standing.judged["intent"] == judged
    assert (judged.right, judged.wrong, judged.precision) == (98, 2, 0.98)
    assert 0.9 < judged.least < 0.98
    assert judged.calibration_error == pytest.approx(0.02)
    assert judged.brier == pytest.approx((98 * 0.04**2 + 2 * 0.96**2) / 100)


def test_wrong_findings_break_it_and_say_why() -> None:
    """The alarm comes after three wrong ones, holds labels back, and stays although right ones follow."""
    watched = monitor()
    numbers = iter(range(1000))
    while watched.alarm is None:
        watched.take(finding(next(numbers), right=False))
    assert watched.alarm.status is Status.BROKEN
    assert watched.alarm.why == "audits contradict the promise of 5.0% errors: 3 of 3 audited messages are wrong"
    for number in range(1000, 1200):
        watched.take(finding(number))
    assert watched.holds
    assert watched.standing().status is Status.BROKEN
    assert not watched.alarm.why.endswith(".")


def test_a_label_s_own_promise_is_tested_by_its_own_findings() -> None:
    """Three wrong of two hundred are nothing to the rest's promise, and break one of 0.1 percent."""
    promise = Promise(error=0.1, fields=("intent",), labels=LabelPromises(field="intent", errors={"cancel": 0.001}))
    watched = monitor(promise)
    for number in range(200):
        watched.take(finding(number, right=number % 50 > 0, group=REST))
    assert watched.alarm is None
    for number in range(200, 203):
        watched.take(finding(number, right=False, group="cancel"))
    assert watched.alarm is not None
    assert "labelled cancel" in watched.alarm.why


@pytest.mark.parametrize(
    "strange",
    [
        finding(1, calibration="older"),
        finding(1, calibration=None),
        finding(1, labels={"intent": "cancle"}),
        finding(1, labels={"hue": "blue"}),
        finding(0),
    ],
    ids=["another calibration", "none", "a label that is none", "a field that is none", "a second time"],
)
def test_what_is_no_finding_about_this_calibration_changes_nothing(strange) -> None:
    """A typing error of an auditor must not stop a worker, nor what was found out about an earlier calibration."""
    watched = monitor()
    watched.take(finding(0))
    before = watched.standing()
    assert not watched.take(strange)
    assert watched.standing() == before


def test_no_right_label_is_wrong_and_half_a_look_is_none() -> None:
    """`null` says that no label fits; a finding that left out a promised field says nothing of the promise."""
    watched = monitor()
    watched.take(finding(0, labels={"intent": None}))
    watched.take(finding(1, labels={"mood": "good"}))
    judged = watched.standing().judged
    assert (judged[REST].right, judged[REST].wrong) == (0, 1)
    assert (judged["mood"].right, judged["mood"].wrong) == (1, 0)


def test_other_scores_raise_an_alarm_that_all_workers_learn_of() -> None:
    """It is raised once, put in doubt what nobody has audited yet, and its note does the same to another worker."""
    watched = monitor(scores=SKETCH)
    assert watched.untold is None
    for _ in range(300):
        watched.scored(0.51)
    assert watched.untold is not None
    assert watched.standing().status is Status.IN_DOUBT
    other = monitor(scores=SKETCH)
    note = note_of(orjson.loads(orjson.dumps(watched.untold.model_dump(mode="json"))))
    assert isinstance(note, PromiseAlarm)
    assert other.take(note)
    assert (other.alarm, other.untold) == (watched.alarm, None)
    watched.told()
    watched.scored(0.51)
    assert watched.untold is None
    assert not monitor().take(note.model_copy(update={"calibration": "c0"}))


def test_an_operator_s_word_starts_anew() -> None:
    """After it nothing counts that was before, and a new alarm can come."""
    watched = monitor(scores=SKETCH)
    for number in range(20):
        watched.take(finding(number, right=False))
    assert watched.holds
    assert watched.take(Resumption(task="tickets", calibration="c1", because="a wrong codebook for auditors"))
    assert (watched.alarm, watched.standing().judged) == (None, {})
    for number in range(20, 40):
        watched.take(finding(number, right=False))
    assert watched.holds


def test_told_only_to_warn_it_holds_nothing_back() -> None:
    """The alarm stands all the same."""
    watched = monitor(escalates=False)
    for number in range(20):
        watched.take(finding(number, right=False))
    assert watched.alarm is not None
    assert not watched.holds


def test_without_a_promise_findings_are_counted() -> None:
    """No status, no alarm, but a precision."""
    watched = Monitor("tickets", LABELS, None)
    for number in range(20):
        watched.take(finding(number, right=False, calibration=None, labels={"intent": "track", "mood": "good"}))
    standing = watched.standing()
    assert (standing.status, standing.alarm) == (None, None)
    assert standing.judged[REST].wrong == 20
    assert standing.judged["mood"].right == 20


@pytest.mark.parametrize(
    "value", [None, [], {}, {"event": 3}, {"event": "nanotriage.finding.v1"}, {"event": "other", "claim": {}}]
)
def test_what_is_no_note_is_left_alone(value) -> None:
    """Anybody can write to a topic."""
    assert note_of(value) is None


def test_a_choice_is_a_share_and_the_same_again() -> None:
    """About as many as asked for, the same for the same key, others for another; none and all are possible."""
    ids = [f"{number:08x}-0000-5000-8000-000000000000" for number in range(20_000)]
    chosen = {each for each in ids if Choice(0.02, b"key").chooses(each)}
    assert 300 < len(chosen) < 500
    assert chosen == {each for each in ids if Choice(0.02, b"key").chooses(each)}
    other = {each for each in ids if Choice(0.02, b"other").chooses(each)}
    assert len(chosen & other) < 40
    assert not any(Choice(0.0, b"").chooses(each) for each in ids)
    assert all(Choice(1.0, b"").chooses(each) for each in ids)
