"""The monitor of one task's labels: findings and scores become a standing, and an alarm when the promise cannot be trusted.

Pure. The chance that it ever raises a false alarm during the life of a calibration is bounded, though it looks after every
finding and every score; the bound is split evenly between the groups of the promise and the test of scores. An alarm stays
until a new calibration or an operator's word, and each of them starts everything anew.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import assert_never

from schemas.auditing import Finding, Note, PromiseAlarm, Resumption
from schemas.calibration import ScoreSketch
from schemas.promise import REST, Promise
from workers.auditing.standing import Alarm, Judged, Standing, Status
from workers.promising.evidence import ErrorTest
from workers.promising.reliability import brier, calibration_error
from workers.promising.sequence import bounds
from workers.promising.shift import ShiftTest
from workers.promising.threshold import Example

_LAST = 2_000
_IDS = 200_000
_PLAIN_CONFIDENCE = 0.9


@dataclass(frozen=True, slots=True)
class Pledge:
    """What is monitored: a promise and the calibration it rests on, named by `calibration`.

    `false_alarm` is the risk of one, `least_shift` the shift of scores that counts, None to leave scores alone; `escalates`
    is what follows from an alarm.
    """

    promise: Promise
    promised: tuple[str, ...]
    calibration: str
    scores: ScoreSketch | None
    false_alarm: float
    least_shift: float | None
    escalates: bool = True


class Monitor:
    """Of one task. `labels` are those each label field can have; without a pledge findings are only counted."""

    def __init__(self, task: str, labels: Mapping[str, frozenset[str]], pledge: Pledge | None) -> None:
        self._task = task
        self._labels = labels
        self._pledge = pledge
        self._start()

    def _start(self) -> None:
        pledge = self._pledge
        self.alarm: Alarm | None = None
        self.untold: PromiseAlarm | None = None  # raised here, and nobody else knows
        self._ids: dict[str, None] = {}
        self._tallies: dict[str, _Tally] = {}
        self._errors = {group: ErrorTest(error) for group, error in pledge.promise.errors().items()} if pledge else {}
        self._groups = {group: _Tally() for group in self._errors}
        tested = pledge is not None and pledge.scores is not None and pledge.least_shift is not None
        self._shift = ShiftTest(pledge.scores) if tested and pledge and pledge.scores else None
        self._enough = (len(self._errors) + tested) / pledge.false_alarm if pledge else 1.0
        self._judged: dict[str, Judged] = {}

    @property
    def holds(self) -> bool:
        """Whether no label may pass."""
        return self.alarm is not None and self._pledge is not None and self._pledge.escalates

    def scored(self, score: float) -> None:
        """Take the score of a message that nothing but the promise could escalate."""
        pledge, shift = self._pledge, self._shift
        if self.alarm is not None or shift is None or pledge is None or pledge.least_shift is None:
            return
        shift.see(score)
        if shift.evidence >= self._enough and (size := shift.size()) >= pledge.least_shift:
            why = f"scores are no longer like those of the calibration (population stability index {size:.2f})"
            self.alarm = Alarm(Status.IN_DOUBT, why)
            self.untold = PromiseAlarm(task=self._task, calibration=pledge.calibration, why=why)

    def told(self) -> None:
        """Take that the alarm raised here is on its way to all workers."""
        self.untold = None

    def take(self, note: Note) -> bool:
        """Take a note of the findings topic; return whether it is of this task and calibration, and new."""
        calibration = self._pledge.calibration if self._pledge else None
        match note:
            case Finding():
                claim = note.claim
                known = all(value is None or value in self._labels.get(name, ()) for name, value in note.labels.items())
                if claim.task != self._task or claim.calibration != calibration or claim.id in self._ids or not known:
                    return False
                self._ids[claim.id] = None
                if len(self._ids) > _IDS:
                    del self._ids[next(iter(self._ids))]
                self._found(note)
                return True
            case PromiseAlarm(task=task, calibration=other, why=why):
                ours = task == self._task and other == calibration
                if ours and self.alarm is None:
                    self.alarm = Alarm(Status.IN_DOUBT, why)
                return ours
            case Resumption(task=task, calibration=other):
                ours = task == self._task and other == calibration
                if ours:
                    self._start()
                return ours
            case _:
                assert_never(note)

    def standing(self) -> Standing:
        """Return how the labels stand now."""
        risk = 1.0 - (self._pledge.promise.confidence if self._pledge else _PLAIN_CONFIDENCE)
        self._judged = self._judged or {name: tally.judged(risk) for name, tally in self._tallies.items()}
        status = None
        if self._pledge is not None:
            audited = Status.KEPT if REST in self._tallies else Status.UNAUDITED
            status = self.alarm.status if self.alarm else audited
        return Standing(
            status=status,
            alarm=self.alarm,
            held=self.holds,
            judged=self._judged,
            error_evidence=max((test.evidence for test in self._errors.values()), default=1.0),
            shift_evidence=self._shift.evidence if self._shift else None,
            shift=self._shift.size() if self._shift else None,
            enough=self._enough,
        )

    def _found(self, finding: Finding) -> None:
        claim = finding.claim
        self._judged = {}
        rights = {
            name: claimed == finding.labels[name]
            for name, claimed in claim.labels.items()
            if claimed is not None and name in finding.labels
        }
        for name, right in rights.items():
            self._tallies.setdefault(name, _Tally()).see(claim.probabilities.get(name), right=right)
        together = self._pledge.promised if self._pledge else tuple(self._labels)
        if any(claim.labels.get(name) is not None and name not in rights for name in together):
            return  # a field that was claimed was not looked at
        right = all(rights.get(name, True) for name in together)
        self._tallies.setdefault(REST, _Tally()).see(claim.probability, right=right)
        self._test(claim.group, right=right)

    def _test(self, group: str, *, right: bool) -> None:
        if self._pledge is None or self.alarm is not None:
            return
        group = group if group in self._errors else REST
        test, tally = self._errors[group], self._groups[group]
        test.see(right=right)
        tally.see(None, right=right)
        if test.evidence >= self._enough:
            error = self._pledge.promise.errors()[group]
            which = "" if group == REST else f" labelled {group}"
            what = f"{tally.wrong} of {tally.right + tally.wrong} audited messages{which} are wrong"
            self.alarm = Alarm(Status.BROKEN, f"audits contradict the promise of {error:.1%} errors: {what}")


class _Tally:
    """Findings of one kind."""

    def __init__(self) -> None:
        self.right = self.wrong = 0
        self._last: deque[Example] = deque(maxlen=_LAST)

    def see(self, probability: float | None, *, right: bool) -> None:
        self.right += right
        self.wrong += not right
        if probability is not None:
            self._last.append(Example(probability, right))

    def judged(self, risk: float) -> Judged:
        least, _ = bounds(self.right, self.right + self.wrong, risk)
        return Judged(self.right, self.wrong, least, calibration_error(self._last), brier(self._last))
