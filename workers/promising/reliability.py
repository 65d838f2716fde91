"""How far probabilities are from what happens. Pure; None of nothing."""

from collections.abc import Sequence
from itertools import groupby, pairwise

from workers.promising.threshold import Example

BINS = 15


def evened(examples: Sequence[Example]) -> list[tuple[float, float]]:
    """Return each example's score with the share of right ones among those of its score, by rising score.

    Examples of one score are alike, so that none of them may count as better wherever a bin's edge cuts them.
    """
    even: list[tuple[float, float]] = []
    for score, alike in groupby(sorted(examples), key=lambda one: one.score):
        rights = [one.right for one in alike]
        even += [(score, sum(rights) / len(rights))] * len(rights)
    return even


def calibration_error(examples: Sequence[Example], bins: int = BINS) -> float | None:
    """Return the expected calibration error over bins of equal mass: `score` is a probability here."""
    count = len(examples)
    if not count:
        return None
    gaps = [score - right for score, right in evened(examples)]
    edges = [round(place * count / bins) for place in range(bins + 1)]
    return sum(abs(sum(gaps[start:end])) for start, end in pairwise(edges)) / count


def brier(examples: Sequence[Example]) -> float | None:
    """Return the mean squared distance of the probabilities from what happened (Brier 1950)."""
    return sum((one.score - one.right) ** 2 for one in examples) / len(examples) if examples else None
