"""What became of a promise: the error among labelled messages, and what the probabilities were worth. Pure."""

from collections.abc import Sequence

from schemas.calibration import Calibration
from schemas.events import EventKind
from schemas.task import Task
from workers.evaluating.calibrating import group_of
from workers.evaluating.gold import Gold, says_unknown
from workers.evaluating.normal import normal_label
from workers.evaluating.outcome import Outcome
from workers.evaluating.scores import GroupScore, PromiseScore, Share
from workers.promising.reliability import brier, calibration_error
from workers.promising.threshold import Example


def promise_score(
    task: Task, gold: Gold, outcomes: Sequence[Outcome], calibration: Calibration, gold_hash: str
) -> PromiseScore:
    """Return the promise beside what happened to messages with a gold label of every promised field."""
    promise, names = calibration.bound.promise, task.promised()
    labelled: dict[str, list[bool]] = {group: [] for group in promise.errors()}
    unknowns: list[bool] = []
    said: list[Example] = []
    for one in outcomes:
        known = gold.get(one.message_id or "", {})
        if one.kind is EventKind.DEAD:
            continue
        if says_unknown(task, known):
            unknowns.append(one.kind is EventKind.LABELLED)
        if not all(name in known for name in names):
            continue
        right = all(one.fields[name] is None or normal_label(known[name]) == one.fields[name] for name in names)
        if one.kind is EventKind.LABELLED:
            labelled[group_of(task, one)].append(right)
        probability = one.answered.assurance.probability if one.answered and one.answered.assurance else None
        if probability is not None:
            said.append(Example(probability, right))
    wrong = {group: Share(rights.count(False), len(rights)) for group, rights in labelled.items()}
    return PromiseScore(
        error=promise.error,
        confidence=promise.confidence,
        wrong=Share(sum(one.hits for one in wrong.values()), sum(one.of for one in wrong.values())),
        groups={group: GroupScore(error, wrong[group]) for group, error in promise.errors().items()},
        unknown=promise.unknown,
        unknowns=Share(sum(unknowns), len(unknowns)),
        calibration_error=calibration_error(said),
        brier=brier(said),
        rehearsed=calibration.counts.gold == gold_hash,
    )
