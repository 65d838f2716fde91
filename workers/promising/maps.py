"""Probability maps: from a score, which only ranks, to a probability that means what it says. Pure.

The map never decides: a threshold is on the score, so fitting both on the same examples costs the promise nothing.
"""

from bisect import bisect_right
from collections.abc import Sequence
from enum import StrEnum
from itertools import accumulate, pairwise
from math import exp, log1p
from typing import assert_never

from schemas.calibration import IsotonicMap, PlattMap, ProbabilityMap, log_odds
from workers.promising.threshold import Example

ISOTONIC_FROM = 1_000
"""Examples from which a free curve beats a sigmoid; below, it follows noise (Niculescu-Mizil and Caruana 2005)."""

_VENN_POINTS = 100
_ROUNDS = 100
_CONVERGED = 1e-10


class Fitting(StrEnum):
    """How a map is fitted."""

    AUTO = "auto"  # what suits so many examples: Platt's sigmoid, or isotonic from a thousand on
    PLATT = "platt"
    ISOTONIC = "isotonic"
    VENN_ABERS = "venn_abers"


def fit(examples: Sequence[Example], fitting: Fitting = Fitting.AUTO) -> ProbabilityMap | None:
    """Return the map that these examples give, None for none."""
    if not examples:
        return None
    match fitting:
        case Fitting.AUTO:
            return fit_isotonic(examples) if len(examples) >= ISOTONIC_FROM else fit_platt(examples)
        case Fitting.PLATT:
            return fit_platt(examples)
        case Fitting.ISOTONIC:
            return fit_isotonic(examples)
        case Fitting.VENN_ABERS:
            return fit_venn_abers(examples)
        case _:
            assert_never(fitting)


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
    blocks = _pooled(_by_score(examples))
    margin = 1 / (len(examples) + 2)
    points: list[tuple[float, float]] = []
    for low, high, hits, count in blocks:
        probability = min(1.0 - margin, max(margin, hits / count))
        points += [(low, probability)] if low == high else [(low, probability), (high, probability)]
    return IsotonicMap(scores=tuple(x for x, _ in points), probabilities=tuple(y for _, y in points))


def fit_venn_abers(examples: Sequence[Example]) -> IsotonicMap:
    """Return the inductive Venn-Abers probabilities at up to a hundred scores (Vovk et al. 2015, arXiv:1511.00213).

    At a score, p0 and p1 are the rising curves' values once an example with this score was added that is wrong, or right; one
    of them is the truth's, so both are calibrated together. They are merged as p1 / (1 - p0 + p1), the minimax of log loss.
    """
    groups = _by_score(examples)
    places = sorted({round(place * (len(groups) - 1) / (_VENN_POINTS - 1)) for place in range(_VENN_POINTS)})
    merged = []
    for place in places:
        wrong, right = (_with_one_more(groups, place, hit) for hit in (0, 1))
        merged.append(right / (1 - wrong + right))
    # They rise but for the last digits of a float.
    return IsotonicMap(scores=tuple(groups[place][0] for place in places), probabilities=tuple(accumulate(merged, max)))


def _with_one_more(groups: Sequence[tuple[float, int, int]], place: int, hit: int) -> float:
    """Return the rising curve's value at the score of this group once it has one more example."""
    score, hits, count = groups[place]
    blocks = _pooled([*groups[:place], (score, hits + hit, count + 1), *groups[place + 1 :]])
    low = bisect_right(blocks, score, key=lambda block: block[0]) - 1
    return blocks[low][2] / blocks[low][3]


def _pooled(groups: Sequence[tuple[float, int, int]]) -> list[tuple[float, float, int, int]]:
    """Return blocks of lowest score, highest score, right ones and all, whose shares of right ones rise."""
    blocks: list[tuple[float, float, int, int]] = []
    for score, hits, count in groups:
        block = (score, score, hits, count)
        while blocks and blocks[-1][2] * block[3] >= block[2] * blocks[-1][3]:
            low, _, earlier_hits, earlier_count = blocks.pop()
            block = (low, block[1], earlier_hits + block[2], earlier_count + block[3])
        blocks.append(block)
    return blocks


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
