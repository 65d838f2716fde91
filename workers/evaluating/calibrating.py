"""Calibrating: from labelled outcomes to a calibration. Pure.

An example is a message that nothing but the promise would escalate: what a check or an unknown label escalates anyway is not
published, so it says nothing about what will be.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple, assert_never

from schemas.calibration import Bound, Calibration, Counts, Group, Unknowns
from schemas.events import EventKind
from schemas.promise import REST, Promise
from schemas.task import Task
from schemas.verdict import Doubt, SignalKind
from workers.evaluating.gold import Gold, says_unknown
from workers.evaluating.normal import normal_label
from workers.evaluating.outcome import Outcome
from workers.exits import UserError
from workers.promising.binomial import upper_bound
from workers.promising.maps import Fitting, fit
from workers.promising.shift import sketch_of
from workers.promising.threshold import ANY, NONE, Example, Kept, keep
from workers.promising.unknowns import Above, TooFew, limit


@dataclass(frozen=True, slots=True)
class Made:
    """When, how and by which version a calibration is made, of which gold labels (SHA-256 of their file), of whose answers."""

    on: date
    library: str
    gold: str
    models: tuple[str, ...]
    fitting: Fitting = Fitting.AUTO


@dataclass(frozen=True, slots=True)
class Answers:
    """Who answered, to which prompt and reply schema (their hashes), with which signal."""

    signal: SignalKind
    hashes: tuple[str, str]
    models: tuple[str, ...]


class Rule(NamedTuple):
    """What one group's threshold has to keep: its error, at this risk, above this score."""

    error: float
    risk: float
    above: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the outcomes of a run without a calibration show. `examples` and the scores are by group.

    `unknown` are scores of the examples for which unknown is the right answer; `unknowns` counts those that something else
    escalates, too.
    """

    examples: Mapping[str, Sequence[Example]]
    unlabelled: Mapping[str, Sequence[float]]
    unknown: Mapping[str, Sequence[float]]
    unknowns: int
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
    unknown: dict[str, list[float]] = {group: [] for group in groups}
    fields: dict[str, list[Example]] = {name: [] for name in task.classified()}
    labelled = unknowns = 0
    for one in outcomes:
        known = gold.get(one.message_id or "", {})
        whole = all(name in known for name in task.promised())
        labelled += whole
        nothing_fits = one.answered is not None and says_unknown(task, known)
        unknowns += nothing_fits
        for name, score in (one.answered.confidences if one.answered else {}).items():
            if name in known and one.fields.get(name) is not None:
                fields[name].append(Example(score, normal_label(known[name]) == one.fields[name]))
        said = _score(one)
        if said is None:
            continue
        group = group_of(task, one)
        if nothing_fits:
            unknown[group].append(said)
        if whole:
            right = all(one.fields[n] is None or normal_label(known[n]) == one.fields[n] for n in task.promised())
            examples[group].append(Example(said, right))
        else:
            unlabelled[group].append(said)
    return Evidence(examples, unlabelled, unknown, unknowns, fields, len(outcomes), labelled)


def calibrate(seen: Evidence, bound: Bound, made: Made) -> Calibration:
    """Return the calibration that the evidence gives. `bound` says what the outcomes are of."""
    every = seen.all_examples()
    groups, unknowns = thresholds(seen, bound.promise)
    fitted = {name: fit(examples, made.fitting) for name, examples in seen.fields.items()}
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
        groups=dict(groups),
        unknowns=unknowns,
        event=fit(every, made.fitting),
        fields={name: curve for name, curve in fitted.items() if curve is not None},
        scores=sketch_of([one.score for one in every]),
    )


def thresholds(seen: Evidence, promise: Promise) -> tuple[Mapping[str, Group], Unknowns]:
    """Return each group's threshold that keeps the promise, and what becomes of unknown messages under these."""
    above, missing = _limit(seen, promise)
    groups = {
        name: _judged(seen.examples[name], seen.unlabelled[name], Rule(error, promise.risk(), above))
        for name, error in promise.errors().items()
    }
    return groups, _unknowns(seen, promise, groups, missing)


def coverage(groups: Mapping[str, Group], seen: Evidence) -> float | None:
    """Return the share of the examples that these thresholds accept."""
    examples = [(groups[name].least, one.score) for name, each in seen.examples.items() for one in each]
    return sum(least is not None and score >= least for least, score in examples) / len(examples) if examples else None


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


def group_of(task: Task, one: Outcome) -> str:
    """Return the group of the promise that a message's answer belongs to."""
    labels = task.promise.labels if task.promise else None
    label = one.fields.get(labels.field) if labels else None
    return label if labels is not None and label in labels.errors else REST


def _limit(seen: Evidence, promise: Promise) -> tuple[float, int | None]:
    """Return the score that every threshold must exceed for the promise about unknown messages, and how many are missing."""
    if promise.unknown is None:
        return ANY, None
    scores = [score for each in seen.unknown.values() for score in each]
    match limit(scores, seen.unknowns, promise.unknown, promise.risk()):
        case Above(score=score):
            return score, None
        case TooFew(missing=missing):
            return NONE, missing
        case unsaid:
            assert_never(unsaid)


def _unknowns(seen: Evidence, promise: Promise, groups: Mapping[str, Group], missing: int | None) -> Unknowns:
    labelled = sum(
        (least := groups[name].least) is not None and score >= least for name, each in seen.unknown.items() for score in each
    )
    return Unknowns(
        promised=promise.unknown,
        examples=seen.unknowns,
        labelled=labelled,
        bound=upper_bound(labelled, seen.unknowns, promise.risk()) if seen.unknowns else None,
        missing=missing,
    )


def _judged(examples: Sequence[Example], unlabelled: Sequence[float], rule: Rule) -> Group:
    found = keep(examples, unlabelled, rule.error, rule.risk, rule.above)
    kept = found if isinstance(found, Kept) else None
    return Group(
        error=rule.error,
        least=kept.least if kept else None,
        examples=len(examples),
        accepted=found.accepted,
        wrong=found.wrong,
        bound=kept.bound if kept else None,
        missing=None if isinstance(found, Kept) else found.missing,
    )
