"""A calibration in words and tables: first what no rule can avoid, then what was found. Pure."""

from collections.abc import Sequence
from typing import Any

from schemas.calibration import Calibration
from schemas.promise import REST
from workers.evaluating.calibrating import Evidence, coverage
from workers.evaluating.report import Table, percent, rounded
from workers.evaluating.unknown_report import unknown_json, unknown_table
from workers.promising.maps import Fitting, fit
from workers.promising.reliability import brier, calibration_error
from workers.promising.threshold import Example, least_escalated

_FOLDS = 5


def calibration_json(made: Calibration, seen: Evidence, fitting: Fitting = Fitting.AUTO) -> dict[str, Any]:
    """Return what a program wants to know; the file itself has the rest."""
    counts, fresh = made.counts, _fresh(seen.all_examples(), fitting)
    return {
        "task": made.bound.task,
        "calibration": made.identity,
        "signal": made.bound.signal.value,
        "promise": made.bound.promise.model_dump(mode="json", exclude_defaults=True),
        "counts": counts.model_dump(mode="json", exclude={"gold"}),
        "base_error": rounded(_base_error(made)),
        "least_escalated": rounded(_least_escalated(made)),
        "coverage": rounded(coverage(made.groups, seen)),
        "unknown": unknown_json(made, seen),
        "groups": {name: group.model_dump(mode="json") for name, group in made.groups.items()},
        "calibration_error": rounded(calibration_error(fresh)),
        "brier": rounded(brier(fresh)),
    }


def calibration_tables(made: Calibration, seen: Evidence, fitting: Fitting = Fitting.AUTO) -> list[Table]:
    """Return what can be reached at all, the thresholds, and the quality of the probabilities."""
    fresh = _fresh(seen.all_examples(), fitting)
    counts = made.counts
    feasible = [
        ["records sent", str(counts.records)],
        ["with gold labels", str(counts.labelled)],
        ["examples: nothing but the promise would escalate them", str(counts.examples)],
        ["wrong among the examples", percent(_base_error(made))],
        ["of the examples, escalated at least by any rule", percent(_least_escalated(made))],
        ["of the examples, accepted by this calibration", percent(coverage(made.groups, seen))],
    ]
    rows = [
        [
            "all labels" if name == REST and len(made.groups) == 1 else "other labels" if name == REST else name,
            percent(group.error),
            "none" if group.least is None else f"{group.least:.6f}",
            str(group.examples),
            str(group.accepted),
            str(group.wrong),
            percent(group.bound) if group.bound is not None else "-",
        ]
        for name, group in made.groups.items()
    ]
    heads = ("LABEL", "PROMISED", "THRESHOLD", "EXAMPLES", "ACCEPTED", "WRONG", "ERROR AT MOST")
    error, score = calibration_error(fresh), brier(fresh)
    quality = [] if error is None else [["calibration error (ECE)", f"{error:.4f}"], ["Brier score", f"{score:.4f}"]]
    tables: list[Table] = [
        ("Feasibility", ("WHAT", "VALUE"), feasible),
        ("Thresholds", heads, rows),
        unknown_table(made, seen),
        ("Probabilities, on examples their map never saw", ("WHAT", "VALUE"), quality),
    ]
    return [table for table in tables if table[2]]


def advice(made: Calibration) -> list[str]:
    """Return one sentence for every group that has no threshold: what is missing."""
    said = []
    for name, group in made.groups.items():
        if group.least is not None:
            continue
        who = "every message" if len(made.groups) == 1 else "every other message" if name == REST else f"every {name}"
        if made.unknowns.missing is not None:
            continue  # said once, of all groups
        if group.missing is not None:
            next_step = f"about {group.missing} more labelled examples may be enough"
        elif not group.accepted:
            next_step = "too few reach the scores above which unknown messages are rare enough"
        else:
            next_step = f"{group.wrong} of its {group.accepted} best are wrong, so a better prompt or model is needed"
        said.append(f"No threshold keeps an error of {percent(group.error)}, so {who} will be escalated: {next_step}.")
    return said


def _base_error(made: Calibration) -> float | None:
    return made.counts.wrong / made.counts.examples if made.counts.examples else None


def _least_escalated(made: Calibration) -> float | None:
    """Return it for one promise to all; labels with their own have one each, and no single figure."""
    base = _base_error(made)
    return None if base is None or len(made.groups) > 1 else least_escalated(base, made.bound.promise.error)


def _fresh(examples: Sequence[Example], fitting: Fitting) -> list[Example]:
    """Return the examples with the probabilities of maps that were fitted without them."""
    fresh = []
    for fold in range(_FOLDS):
        curve = fit([one for place, one in enumerate(examples) if place % _FOLDS != fold], fitting)
        if curve is not None:
            fresh += [Example(curve.of(one.score), one.right) for one in examples[fold::_FOLDS]]
    return fresh
