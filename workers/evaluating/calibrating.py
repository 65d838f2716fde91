"""Calibrating: from labelled outcomes to a calibration. Pure.

An example is a message that nothing but the promise would escalate: what a check or an unknown label escalates anyway is not
published, so it says nothing about what will be.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from schemas.calibration import Bound, Calibration, Counts, Group
from schemas.events import EventKind
from schemas.promise import REST
from schemas.task import Task
from schemas.verdict import Doubt, SignalKind
from workers.evaluating.gold import Gold
from workers.evaluating.normal import normal_label
from workers.evaluating.outcome import Outcome
from workers.exits import UserError
from workers.promising.maps import fit
from workers.promising.threshold import Example, Kept, keep


@dataclass(frozen=True, slots=True)
class Made:
    """When and by which version a calibration is made, of which gold labels (their file's SHA-256) and of whose answers."""

    on: date
    library: str
    gold: str
    models: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Answers:
    """Who answered, to which prompt and reply schema (their hashes), with which signal."""

    signal: SignalKind
    hashes: tuple[str, str]
    models: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the outcomes of a run without a calibration show. `examples` and `unlabelled` scores are by group."""

    examples: Mapping[str, Sequence[Example]]
    unlabelled: Mapping[str, Sequence[float]]
    fields: Mapping[str, Sequence[Example]]
    records: int
    labelled: int

    def all_examples(self) -> list[Example]:
        return [one for each in self.examples.values() for one in each]


def evidence(task: Task, gold: Gold, outcomes: Sequence[Outcome]) -> Evidence:
    """Return the examples among the outcomes. The task has a promise, and no calibration judged the outcomes."""
    groups = tuple(task.promise.errors()) if task.promise else (REST,)
    examples: dict[str, list[Example]] = {group: [] for group in groups}
    unlabelled: dict[str, list[float]] = {group: [] for group in groups}
    fields: dict[str, list[Example]] = {name: [] for name in task.classified()}
    labelled = 0
    for one in outcomes:
        known = gold.get(one.message_id or "", {})
        whole = all(name in known for name in task.promised())
        labelled += whole
        for name, score in (one.answered.confidences if one.answered else {}).items():
            if name in known and one.fields.get(name) is not None:
                fields[name].append(Example(score, normal_label(known[name]) == one.fields[name]))
        said = _score(one)
        if said is None:
            continue
        group = _group(task, one)
        if whole:
            right = all(one.fields[n] is None or normal_label(known[n]) == one.fields[n] for n in task.promised())
            examples[group].append(Example(said, right))
        else:
            unlabelled[group].append(said)
    return Evidence(examples, unlabelled, fields, len(outcomes), labelled)


def calibrate(seen: Evidence, bound: Bound, made: Made) -> Calibration:
    """Return the calibration that the evidence gives. `bound` says what the outcomes are of."""
    promise, every = bound.promise, seen.all_examples()
    groups = {
        name: _judged(seen.examples[name], seen.unlabelled[name], error, promise.risk())
        for name, error in promise.errors().items()
    }
    fitted = {name: fit(examples) for name, examples in seen.fields.items()}
    return Calibration(
        bound=bound,
        made=made.on,
        library=made.library,
        answered_by=made.models,
        counts=Counts(
            gold=made.gold,
            records=seen.records,
            labelled=seen.labelled,
            examples=len(every),
            wrong=sum(not one.right for one in every),
            unlabelled=sum(map(len, seen.unlabelled.values())),
        ),
        groups=groups,
        event=fit(every),
        fields={name: curve for name, curve in fitted.items() if curve is not None},
    )


def answers_of(outcomes: Sequence[Outcome]) -> Answers:
    """Return who answered to what. Raises UserError when nobody did, or when the answers are to different questions."""
    found = [one.answered for one in outcomes if one.answered is not None]
    questions = {(one.prompt, one.reply_schema) for one in found}
    signals = {one.assurance.signal for one in found if one.assurance is not None and one.assurance.signal is not None}
    if not signals:
        raise UserError("no answer has a confidence, so there is nothing to calibrate: see why with `nanotriage eval`")
    if len(questions) > 1 or len(signals) > 1:
        raise UserError("the answers are to different prompts or of different signals: calibrate again")
    return Answers(signals.pop(), questions.pop(), tuple(sorted({one.model for one in found})))


def _score(one: Outcome) -> float | None:
    """Return the score of a message that only the missing calibration escalated."""
    if one.kind is not EventKind.ESCALATED or one.answered is None or one.answered.assurance is None:
        return None
    return one.answered.assurance.score if set(one.answered.doubts) == {Doubt.NOT_CALIBRATED} else None


def _group(task: Task, one: Outcome) -> str:
    labels = task.promise.labels if task.promise else None
    label = one.fields.get(labels.field) if labels else None
    return label if labels is not None and label in labels.errors else REST


def _judged(examples: Sequence[Example], unlabelled: Sequence[float], error: float, risk: float) -> Group:
    found = keep(examples, unlabelled, error, risk)
    kept = found if isinstance(found, Kept) else None
    return Group(
        error=error,
        least=kept.least if kept else None,
        examples=len(examples),
        accepted=found.accepted,
        wrong=found.wrong,
        bound=kept.bound if kept else None,
        missing=None if isinstance(found, Kept) else found.missing,
    )
