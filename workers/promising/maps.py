"""Probability maps: from a score, which only ranks, to a probability that means what it says. Pure.

The map never decides: a threshold is on the score, so fitting both on the same examples costs the promise nothing.
"""

from collections.abc import Sequence
from itertools import pairwise
from math import exp, log1p

from schemas.calibration import IsotonicMap, PlattMap, ProbabilityMap, log_odds
from workers.promising.threshold import Example

ISOTONIC_FROM = 1_000
"""Examples from which a free curve beats a sigmoid; below, it follows noise (Niculescu-Mizil and Caruana 2005)."""

_ROUNDS = 100
_CONVERGED = 1e-10


def fit(examples: Sequence[Example]) -> ProbabilityMap | None:
    """Return the map that suits so many examples, None for none."""
    if not examples:
        return None
    return fit_isotonic(examples) if len(examples) >= ISOTONIC_FROM else fit_platt(examples)


def fit_platt(examples: Sequence[Example]) -> PlattMap:
    """Return the sigmoid of greatest likelihood, with Platt's targets, which are never 0 or 1.

    Newton's method with halved steps (Lin, Lin and Weng 2007). A slope that would be negative is 0: the score tells nothing.
    """
    right = sum(one.right for one in examples)
    high, low = (right + 1) / (right + 2), 1 / (len(examples) - right + 2)
    rows = [(log_odds(one.score), high if one.right else low) for one in examples]
    slope, intercept = 1.0, 0.0
    loss = _loss(rows, slope, intercept)
    for _ in range(_ROUNDS):
        by_slope, by_intercept = _newton(rows, slope, intercept)
        step = 1.0
        while step > _CONVERGED and _loss(rows, slope + step * by_slope, intercept + step * by_intercept) > loss:
            step /= 2
        slope, intercept = slope + step * by_slope, intercept + step * by_intercept
        before, loss = loss, _loss(rows, slope, intercept)
        if before - loss < _CONVERGED * len(rows):
            break
    if slope < 0:
        mean = sum(target for _, target in rows) / len(rows)
        return PlattMap(slope=0.0, intercept=log_odds(mean))
    return PlattMap(slope=slope, intercept=intercept)


def fit_isotonic(examples: Sequence[Example]) -> IsotonicMap:
    """Return the rising curve of least squares (pool adjacent violators), which never claims 0 or 1."""
    blocks: list[tuple[float, float, int, int]] = []  # lowest score, highest score, right, all
    for score, hits, count in _by_score(examples):
        block = (score, score, hits, count)
        while blocks and blocks[-1][2] * block[3] >= block[2] * blocks[-1][3]:
            low, _, earlier_hits, earlier_count = blocks.pop()
            block = (low, block[1], earlier_hits + block[2], earlier_count + block[3])
        blocks.append(block)
    margin = 1 / (len(examples) + 2)
    points: list[tuple[float, float]] = []
    for low, high, hits, count in blocks:
        probability = min(1.0 - margin, max(margin, hits / count))
        points += [(low, probability)] if low == high else [(low, probability), (high, probability)]
    return IsotonicMap(scores=tuple(x for x, _ in points), probabilities=tuple(y for _, y in points))


def _by_score(examples: Sequence[Example]) -> list[tuple[float, int, int]]:
    ordered = sorted(examples)
    starts = [0, *(place for place, (one, other) in enumerate(pairwise(ordered), 1) if one.score != other.score), len(ordered)]
    return [
        (ordered[start].score, sum(one.right for one in ordered[start:end]), end - start) for start, end in pairwise(starts)
    ]


def _loss(rows: Sequence[tuple[float, float]], slope: float, intercept: float) -> float:
    total = 0.0
    for odds, target in rows:
        reach = slope * odds + intercept
        total += (1 - target) * reach + log1p(exp(-reach)) if reach >= 0 else -target * reach + log1p(exp(reach))
    return total


def _newton(rows: Sequence[tuple[float, float]], slope: float, intercept: float) -> tuple[float, float]:
    """Return the Newton step for slope and intercept, slightly damped so that it always exists."""
    g1 = g0 = 0.0
    h11 = h00 = 1e-9
    h10 = 0.0
    for odds, target in rows:
        reach = max(-500.0, min(500.0, slope * odds + intercept))
        said = 1.0 / (1.0 + exp(-reach))
        weight = said * (1.0 - said)
        g1 += (said - target) * odds
        g0 += said - target
        h11 += weight * odds * odds
        h10 += weight * odds
        h00 += weight
    determinant = h11 * h00 - h10 * h10
    return -(h00 * g1 - h10 * g0) / determinant, -(h11 * g0 - h10 * g1) / determinant
