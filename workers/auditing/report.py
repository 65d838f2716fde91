"""A standing in the words of a report. Pure."""

from collections.abc import Sequence
from typing import Any

from schemas.promise import Promise
from workers.auditing.standing import Standing, Status

_HEADS = ("FIELD", "AUDITED", "WRONG", "PRECISION", "AT LEAST", "ECE", "BRIER")


def report_rows(standing: Standing) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
    """Return the table: one row for each field, `*` for all promised labels together."""
    rows = [
        (
            name,
            str(judged.right + judged.wrong),
            str(judged.wrong),
            f"{judged.precision:.1%}",
            f"{judged.least:.1%}",
            _figure(judged.calibration_error),
            _figure(judged.brier),
        )
        for name, judged in sorted(standing.judged.items())
    ]
    return _HEADS, rows


def report_json(standing: Standing) -> dict[str, Any]:
    """Return the same for programs."""
    return {
        "status": standing.status,
        "alarm": standing.alarm.why if standing.alarm else None,
        "evidence": {"findings": standing.error_evidence, "needed": standing.enough},
        "fields": {
            name: {
                "audited": judged.right + judged.wrong,
                "wrong": judged.wrong,
                "precision": judged.precision,
                "precision_least": judged.least,
                "calibration_error": judged.calibration_error,
                "brier": judged.brier,
            }
            for name, judged in standing.judged.items()
        },
    }


def sentence(promise: Promise | None, standing: Standing) -> str:
    """Return what follows from it."""
    if promise is None or standing.status is None:
        return "The task states no promise that could be broken."
    if standing.alarm is not None:
        done = "nothing is labelled" if standing.held else "labels go out all the same"
        why = standing.alarm.why[:1].upper() + standing.alarm.why[1:]
        return f"{why}: {done}. Calibrate again, or `nanotriage audit resume`."
    if standing.status is Status.UNAUDITED:
        return "Nothing was found out about the present calibration yet: see `nanotriage audit list`."
    part = standing.error_evidence / standing.enough
    return f"Nothing speaks against at most {promise.error:.1%} errors: the evidence is {part:.1%} of what an alarm takes."


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
