"""What a calibration says of messages for which `unknown` is the right answer, and what a promise about them costs. Pure."""

from typing import Any, NamedTuple

from schemas.calibration import Calibration, Unknowns
from workers.evaluating.calibrating import Evidence, coverage, thresholds
from workers.evaluating.report import Table, percent, rounded


class Otherwise(NamedTuple):
    """What would be, were the promise about unknown messages left out where it is stated, or stated where it is not."""

    promised: float | None
    unknowns: Unknowns
    coverage: float | None


def unknown_table(made: Calibration, seen: Evidence) -> Table:
    """Return what becomes of unknown messages; no rows where there are no examples of them and no promise."""
    found, other = made.unknowns, _otherwise(made, seen)
    title, heads = "Messages for which unknown is right", ("WHAT", "VALUE")
    if not found.examples and found.promised is None:
        return title, heads, []
    stated = "without this promise" if other.promised is None else f"with `unknown: {other.promised:g}` in the promise"
    return (
        title,
        heads,
        [
            ["examples of them", str(found.examples)],
            ["labelled, promised at most", "nothing" if found.promised is None else percent(found.promised)],
            ["labelled by these thresholds", f"{found.labelled} ({percent(_share(found))})"],
            ["labelled at most, at the confidence of the promise", percent(found.bound)],
            [f"of all examples, accepted {stated}", percent(other.coverage)],
        ],
    )


def unknown_json(made: Calibration, seen: Evidence) -> dict[str, Any]:
    """Return the same for a program; `otherwise` is with this promise left out, or stated as the error is."""
    found, other = made.unknowns, _otherwise(made, seen)
    return {
        **found.model_dump(mode="json"),
        "share": rounded(_share(found)),
        "otherwise": {
            "promised": other.promised,
            "labelled": other.unknowns.labelled,
            "missing": other.unknowns.missing,
            "coverage": rounded(other.coverage),
        },
    }


def unknown_advice(made: Calibration, seen: Evidence) -> list[str]:
    """Return one sentence where nothing is promised of unknown messages, or nothing can be."""
    found, other = made.unknowns, _otherwise(made, seen)
    if found.missing is not None:
        who = f"Nothing can be promised of unknown messages by {found.examples} examples of them, so every message is escalated"
        return [f"{who}: about {found.missing} more whose gold label is `unknown` may be enough."]
    if found.promised is not None or not found.labelled:
        return []
    said = f"Of the unknown messages {percent(_share(found))} would be labelled, and nothing is promised of them"
    if other.unknowns.missing is not None:
        return [f"{said}: `unknown: {other.promised:g}` in the promise needs about {other.unknowns.missing} more of them."]
    accepted = f"{percent(other.coverage)} of the examples instead of {percent(coverage(made.groups, seen))}"
    return [f"{said}: `unknown: {other.promised:g}` in the promise bounds that, and accepts {accepted}."]


def _otherwise(made: Calibration, seen: Evidence) -> Otherwise:
    promise = made.bound.promise
    other = promise.model_copy(update={"unknown": promise.error if promise.unknown is None else None})
    groups, unknowns = thresholds(seen, other)
    return Otherwise(other.unknown, unknowns, coverage(groups, seen))


def _share(found: Unknowns) -> float | None:
    return found.labelled / found.examples if found.examples else None
