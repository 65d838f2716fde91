"""Risk and coverage: what is wrong among the most confident answers, for every share one might accept. Pure.

The curve is of El-Yaniv and Wiener (2010); the area under it is the mean risk over all coverages, lower is better. Answers of
equal confidence are accepted together, because no threshold can tell them apart.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Any

from schemas.events import EventKind
from schemas.fields import UNKNOWN
from workers.evaluating.gold import Gold
from workers.evaluating.normal import normal_label
from workers.evaluating.outcome import Outcome
from workers.evaluating.report import Table
from workers.evaluating.scores import Share
from workers.promising.reliability import BINS, brier, calibration_error, evened
from workers.promising.threshold import Example

_MOST_POINTS = 200


@dataclass(frozen=True, slots=True)
class Point:
    """Accepting every answer with at least this confidence covers this share, of which so much is wrong."""

    confidence: float
    coverage: float
    risk: float


@dataclass(frozen=True, slots=True)
class Bin:
    """Answers of similar confidence: their mean confidence, and the share that is right."""

    confidence: float
    accuracy: float
    count: int


@dataclass(frozen=True, slots=True)
class FieldRisk:
    """What the confidence of one label field is worth, and whether company in a call changes what is right.

    `curve` and `bins` are of the scored answers; the shares are of all answered messages with a gold label.
    """

    scored: int
    calibration_error: float | None
    brier: float | None
    area: float | None
    curve: Sequence[Point]
    bins: Sequence[Bin]
    by_place: Mapping[int, Share]
    by_batch_size: Mapping[int, Share]
    out_of_scope: Share  # of the messages that gold calls unknown, those that were published under a label


def field_risk(name: str, gold: Gold, outcomes: Sequence[Outcome]) -> FieldRisk:
    """Return the risk of one label field over the outcomes that gold knows."""
    examples: list[Example] = []
    places: list[tuple[int, bool]] = []
    sizes: list[tuple[int, bool]] = []
    strangers: list[bool] = []
    for one, right in judged(name, gold, outcomes):
        if one.answered is None:
            continue
        if normal_label(gold[one.message_id or ""][name]) == UNKNOWN:
            strangers.append(one.kind is EventKind.LABELLED and not right)
        places.append((one.answered.place, right))
        sizes.append((one.answered.batch_size, right))
        if (confidence := one.answered.confidences.get(name)) is not None:
            examples.append(Example(confidence, right))
    points = risk_coverage(examples)
    return FieldRisk(
        scored=len(examples),
        calibration_error=calibration_error(examples),
        brier=brier(examples),
        area=area(points),
        curve=thinned(points),
        bins=_bins(examples),
        by_place=shares_by(places),
        by_batch_size=shares_by(sizes),
        out_of_scope=Share(sum(strangers), len(strangers)),
    )


def judged(name: str, gold: Gold, outcomes: Sequence[Outcome]) -> list[tuple[Outcome, bool]]:
    """Return the answered messages whose label gold knows, and whether it is right."""
    found = []
    for one in outcomes:
        known = gold.get(one.message_id or "", {})
        if one.kind is not EventKind.DEAD and name in known:
            found.append((one, normal_label(known[name]) == normal_label(one.fields.get(name))))
    return found


def as_json(risk: FieldRisk) -> dict[str, Any]:
    """Return the figures and the curve."""
    return {
        "scored": risk.scored,
        "out_of_scope": {"gold": risk.out_of_scope.of, "published_under_a_label": risk.out_of_scope.hits},
        "calibration_error": _rounded(risk.calibration_error),
        "brier": _rounded(risk.brier),
        "area_under_risk_coverage": _rounded(risk.area),
        "risk_coverage": [[_rounded(p.confidence), _rounded(p.coverage), _rounded(p.risk)] for p in risk.curve],
        "accuracy_by_place": {str(number): _rounded(share.value) for number, share in risk.by_place.items()},
        "accuracy_by_batch_size": {str(number): _rounded(share.value) for number, share in risk.by_batch_size.items()},
    }


def risk_table(risks: Mapping[str, FieldRisk]) -> Table:
    """Return what the confidence of every scored field is worth."""
    rows = [
        [name, str(one.scored), *map(_digits, (one.calibration_error, one.brier, one.area)), _strangers(one.out_of_scope)]
        for name, one in risks.items()
    ]
    heads = ("FIELD", "SCORED", "CALIBRATION ERROR", "BRIER", "AREA UNDER RISK-COVERAGE", "OUT OF SCOPE, PUBLISHED")
    return "Confidence", heads, rows


def _strangers(share: Share) -> str:
    return f"{share.hits} of {share.of}" if share.of else "-"


def _digits(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _bins(examples: Sequence[Example]) -> list[Bin]:
    """Return bins of equal mass, in order of confidence."""
    even, count = evened(examples), len(examples)
    edges = sorted({round(place * count / BINS) for place in range(BINS + 1)})
    return [
        Bin(
            sum(score for score, _ in even[start:end]) / (end - start),
            sum(right for _, right in even[start:end]) / (end - start),
            end - start,
        )
        for start, end in pairwise(edges)
    ]


def risk_coverage(examples: Sequence[Example]) -> list[Point]:
    """Return the curve from the most confident answers to all of them."""
    points, seen, wrong = [], 0, 0
    for confidence, alike in groupby(sorted(examples, key=lambda one: -one.score), key=lambda one: one.score):
        rights = [one.right for one in alike]
        seen += len(rights)
        wrong += rights.count(False)
        points.append(Point(confidence, seen / len(examples), wrong / seen))
    return points


def area(points: Sequence[Point]) -> float | None:
    """Return the area under the curve, by steps; None of nothing."""
    total, covered = 0.0, 0.0
    for point in points:
        total += (point.coverage - covered) * point.risk
        covered = point.coverage
    return total if points else None


def thinned(points: Sequence[Point], most: int = _MOST_POINTS) -> list[Point]:
    """Return at most about so many points, evenly spread, the last one among them: enough for an eye or a file."""
    step = max(1, len(points) // most)
    return [point for place, point in enumerate(reversed(points)) if place % step == 0][::-1]


def shares_by(cases: Iterable[tuple[int, bool]]) -> Mapping[int, Share]:
    """Return the share of right answers for each number (a batch size, a place in a batch)."""
    counts: dict[int, list[int]] = {}
    for number, right in cases:
        hits = counts.setdefault(number, [0, 0])
        hits[0] += right
        hits[1] += 1
    return {number: Share(hits, of) for number, (hits, of) in sorted(counts.items())}
