"""Scoring: outcomes beside gold labels. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from schemas.events import EventKind
from schemas.fields import ExtractField
from schemas.task import Task
from workers.evaluating.gold import Gold
from workers.evaluating.normal import normal_label, normal_value
from workers.evaluating.outcome import Outcome
from workers.evaluating.scores import ClassScore, ExtractScore, LabelScore, Matches, Report, Share

Pair = tuple[Outcome, Mapping[str, Any]]


def score(task: Task, gold: Gold, outcomes: Sequence[Outcome]) -> Report:
    """Return what the outcomes are worth. Gold labels of messages without an outcome are left alone."""
    pairs = [(one, gold[one.message_id]) for one in outcomes if one.message_id is not None and one.message_id in gold]
    answered = [pair for pair in pairs if pair[0].kind is not EventKind.DEAD]
    said = {name for fields in gold.values() for name in fields}
    extracts = {name: field for name, field in task.fields.items() if isinstance(field, ExtractField) and name in said}
    return Report(
        task=task.name,
        records=len(outcomes),
        labelled=sum(one.kind is EventKind.LABELLED for one in outcomes),
        escalated=_reasons(outcomes, EventKind.ESCALATED),
        dead=_reasons(outcomes, EventKind.DEAD),
        without_gold=len(outcomes) - len(pairs),
        labels={name: _label_score(name, answered) for name in task.classified() if name in said},
        extracts={name: _extract_score(name, field, answered) for name, field in extracts.items()},
    )


def _reasons(outcomes: Sequence[Outcome], kind: EventKind) -> Mapping[str, int]:
    return dict(Counter(one.reason or "" for one in outcomes if one.kind is kind).most_common())


def _label_score(name: str, pairs: Sequence[Pair]) -> LabelScore:
    cases = [
        (normal_label(fields[name]), normal_label(one.fields.get(name)), one.kind is EventKind.LABELLED)
        for one, fields in pairs
        if name in fields
    ]
    support = Counter(wanted for wanted, _, _ in cases)
    answers = Counter(given for _, given, _ in cases)
    right = Counter(wanted for wanted, given, _ in cases if wanted == given)
    labelled = [wanted == given for wanted, given, accepted in cases if accepted]
    return LabelScore(
        labelled=Share(sum(labelled), len(labelled)),
        answered=Share(right.total(), len(cases)),
        classes=tuple(ClassScore(each, support[each], answers[each], right[each]) for each in sorted(support | answers)),
    )


def _extract_score(name: str, field: ExtractField, pairs: Sequence[Pair]) -> ExtractScore:
    cases = [
        (normal_value(field, fields.get(name)), normal_value(field, one.fields.get(name)), one.kind is EventKind.LABELLED)
        for one, fields in pairs
    ]
    return ExtractScore(
        labelled=_matches([(wanted, given) for wanted, given, accepted in cases if accepted]),
        answered=_matches([(wanted, given) for wanted, given, _ in cases]),
    )


def _matches(cases: Sequence[tuple[str | None, str | None]]) -> Matches:
    return Matches(
        gold=sum(wanted is not None for wanted, _ in cases),
        found=sum(given is not None for _, given in cases),
        right=sum(wanted is not None and wanted == given for wanted, given in cases),
        same=sum(wanted == given for wanted, given in cases),
        of=len(cases),
        overlap=sum(_overlap(wanted, given) for wanted, given in cases if wanted is not None),
    )


def _overlap(wanted: str, given: str | None) -> float:
    """Return the F1 of the words that both have."""
    left, right = Counter(wanted.lower().split()), Counter((given or "").lower().split())
    return 2 * (left & right).total() / (left.total() + right.total() or 1)
