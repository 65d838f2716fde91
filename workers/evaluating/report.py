"""A report as JSON and as plain tables. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from schemas.promise import REST
from workers.evaluating.scores import ExtractScore, LabelScore, Matches, PromiseScore, Report, Share

Table = tuple[str, Sequence[str], Sequence[Sequence[str]]]
"""A title, column heads and rows."""


def as_json(report: Report) -> dict[str, Any]:
    """Return the report with every share rounded to four digits; null is unknown."""
    return {
        "task": report.task,
        "records": report.records,
        "labelled": report.labelled,
        "escalated": sum(report.escalated.values()),
        "dead": sum(report.dead.values()),
        "coverage": rounded(report.coverage),
        "escalations_by_reason": dict(report.escalated),
        "dead_by_reason": dict(report.dead),
        "without_gold": report.without_gold,
        "promise": None if report.promise is None else _promise_json(report.promise),
        "labels": {name: _label_json(one) for name, one in report.labels.items()},
        "extraction": {name: _extract_json(one) for name, one in report.extracts.items()},
    }


def rounded(share: float | None) -> float | None:
    return None if share is None else round(share, 4)


def percent(share: float | None) -> str:
    return "unknown" if share is None else f"{100 * share:.1f} %"


def summary(report: Report) -> Table:
    """Return what became of the records."""
    rows = [["labelled", str(report.labelled), percent(report.coverage)]]
    for kind, reasons in (("escalated", report.escalated), ("dead", report.dead)):
        rows += [
            [f"{kind}: {reason}", str(count), percent(Share(count, report.records).value)] for reason, count in reasons.items()
        ]
    rows.append(["all records", str(report.records), ""])
    return "Outcomes", ("OUTCOME", "RECORDS", "SHARE"), rows


def promise(report: Report) -> Table:
    """Return what was promised beside what was measured."""
    one = report.promise
    if one is None:
        return "Promise", (), []
    rows = [
        ["wrong among labelled, promised at most", f"{percent(one.error)}, confidence {percent(one.confidence)}"],
        ["wrong among labelled, measured", _share(one.wrong)],
        *_group_rows(one),
        *_unknown_rows(one),
        ["calibration error (ECE) of the probabilities", _digits(one.calibration_error)],
        ["Brier score of the probabilities", _digits(one.brier)],
    ]
    if one.rehearsed:
        rows.append(["measured by", "the gold labels it was calibrated with, which proves nothing"])
    return "Promise", ("WHAT", "VALUE"), rows


def _group_rows(one: PromiseScore) -> list[list[str]]:
    """Return what was promised of each group and measured, where there is more than one."""
    if len(one.groups) == 1:
        return []
    named = [(f"under {name}" if name != REST else "under other labels", group) for name, group in one.groups.items()]
    return [[f"wrong {where}, at most {percent(group.error)}", _share(group.wrong)] for where, group in named]


def _unknown_rows(one: PromiseScore) -> list[list[str]]:
    if one.unknown is None and not one.unknowns.of:
        return []
    stated = "nothing" if one.unknown is None else percent(one.unknown)
    return [
        ["labelled among messages for which unknown is right, promised at most", stated],
        ["labelled among messages for which unknown is right, measured", _share(one.unknowns)],
    ]


def accuracy(report: Report) -> Table:
    """Return accuracy and macro F1 of every label field, with the interval that holds the true share in 95 of 100 samples."""
    rows = []
    for name, one in report.labels.items():
        rows.append(
            [name, _share(one.labelled), _share(one.answered), "unknown" if one.macro_f1 is None else f"{one.macro_f1:.3f}"]
        )
    return "Labels", ("FIELD", "ACCURACY OF LABELLED", "ACCURACY OF ALL ANSWERED", "MACRO F1"), rows


def classes(one: LabelScore, name: str) -> Table:
    """Return the classes of a field, the worst first."""
    rows = [
        [each.label, f"{each.f1:.3f}", _digits(each.precision), _digits(each.recall), str(each.support), str(each.answered)]
        for each in sorted(one.classes, key=lambda each: (each.f1, -each.support, each.label))
    ]
    return f"Classes of {name}, worst first", ("LABEL", "F1", "PRECISION", "RECALL", "GOLD", "ANSWERS"), rows


def extraction(report: Report) -> Table:
    """Return the exact matches of every extracted field, over all answered messages."""
    rows = []
    for name, one in report.extracts.items():
        seen = one.answered
        rows.append(
            [
                name,
                *map(percent, (seen.precision, seen.recall, seen.partial, Share(seen.same, seen.of).value)),
                str(seen.gold),
            ]
        )
    return "Extraction (exact match)", ("FIELD", "PRECISION", "RECALL", "PARTIAL", "SAME AS GOLD", "GOLD VALUES"), rows


def tables(report: Report) -> list[Table]:
    """Return all tables of the report, those without a row left out."""
    found = [
        summary(report),
        promise(report),
        accuracy(report),
        *(classes(one, name) for name, one in report.labels.items()),
        extraction(report),
    ]
    return [table for table in found if table[2]]


def _share(share: Share) -> str:
    if share.interval is None:
        return "unknown"
    low, high = share.interval
    return f"{percent(share.value)} [{100 * low:.1f}, {100 * high:.1f}] of {share.of}"


def _digits(share: float | None) -> str:
    return "-" if share is None else f"{share:.3f}"


def _share_json(share: Share) -> dict[str, Any]:
    interval = share.interval
    return {
        "accuracy": rounded(share.value),
        "interval_95": None if interval is None else [rounded(end) for end in interval],
        "right": share.hits,
        "of": share.of,
    }


def _promise_json(one: PromiseScore) -> dict[str, Any]:
    return {
        "error": one.error,
        "confidence": one.confidence,
        "kept": one.kept,
        "measured": {"wrong": one.wrong.hits, "of": one.wrong.of, "error": rounded(one.wrong.value)},
        "groups": {
            name: {"promised": group.error, "wrong": group.wrong.hits, "of": group.wrong.of}
            for name, group in one.groups.items()
        },
        "unknown": {"promised": one.unknown, "labelled": one.unknowns.hits, "of": one.unknowns.of},
        "calibration_error": rounded(one.calibration_error),
        "brier": rounded(one.brier),
        "rehearsed": one.rehearsed,
    }


def _label_json(one: LabelScore) -> dict[str, Any]:
    return {
        "labelled": _share_json(one.labelled),
        "answered": _share_json(one.answered),
        "macro_f1": rounded(one.macro_f1),
        "classes": {
            each.label: {
                "precision": rounded(each.precision),
                "recall": rounded(each.recall),
                "f1": rounded(each.f1),
                "gold": each.support,
                "answers": each.answered,
            }
            for each in one.classes
        },
    }


def _extract_json(one: ExtractScore) -> Mapping[str, Any]:
    return {"labelled": _matches_json(one.labelled), "answered": _matches_json(one.answered)}


def _matches_json(seen: Matches) -> dict[str, Any]:
    return {
        "precision": rounded(seen.precision),
        "recall": rounded(seen.recall),
        "partial": rounded(seen.partial),
        "same": rounded(Share(seen.same, seen.of).value),
        "gold": seen.gold,
        "found": seen.found,
        "right": seen.right,
        "of": seen.of,
    }
