"""A calibration by hand, for tests of those who use one."""

from datetime import date

from schemas.calibration import Bound, Calibration, Counts, Group, PlattMap, Unknowns, rules_hash
from schemas.promise import REST
from schemas.task import Task
from schemas.verdict import SignalKind

COUNTS = Counts(gold="", records=100, labelled=100, examples=100, wrong=10, unlabelled=0)


def bound_to(task: Task, /, **changes) -> Bound:
    values = {
        "task": task.name,
        "rules": rules_hash(task),
        "code": "",
        "promise": task.promise,
        "signal": SignalKind.LOGPROBS,
        "model": "nano",
        "prompt": "p",
        "reply_schema": "s",
        "batch_items": 16,
    }
    return Bound(**(values | changes))


def calibration_of(task: Task, least: dict[str, float | None] | None = None, /, **changes) -> Calibration:
    """Return a calibration with these thresholds by group, by default 0.8 for all, answered by `nano`."""
    groups = {
        name: Group(error=0.05, least=threshold, examples=100, accepted=60, wrong=1, bound=0.05, missing=None)
        for name, threshold in (least or {REST: 0.8}).items()
    }
    straight = PlattMap(slope=1.0, intercept=0.0)
    return Calibration(
        bound=bound_to(task, **changes),
        made=date(2026, 11, 21),
        library="test",
        answered_by=("nano",),
        counts=COUNTS,
        groups=groups,
        unknowns=Unknowns(promised=None, examples=0, labelled=0, bound=None, missing=None),
        event=straight,
        fields=dict.fromkeys(task.classified(), straight),
    )
