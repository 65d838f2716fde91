"""A population of answers whose true errors are known, and the rule that a promise is not kept by."""

import random
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

from workers.promising.threshold import Example


class Population:
    """All answers there are: what a threshold is really worth is counted, not estimated."""

    def __init__(self, rows: Sequence[Example]) -> None:
        self.rows = sorted(rows, key=lambda one: -one.score)
        self._falling = [-one.score for one in self.rows]
        self._wrong = list(accumulate(not one.right for one in self.rows))

    def truth(self, least: float) -> tuple[float, float]:
        """Return the true error above a threshold, and its coverage."""
        accepted = bisect_right(self._falling, -least)
        return (self._wrong[accepted - 1] / accepted if accepted else 0.0), accepted / len(self.rows)

    def oracle(self, error: float) -> float:
        """Return the greatest coverage of any threshold that keeps the error, for one who knows all."""
        found = (self.truth(score) for score in {one.score for one in self.rows})
        return max((coverage for risk, coverage in found if risk <= error), default=0.0)

    def draw(self, rng: random.Random, count: int) -> list[Example]:
        """Return so many answers, each drawn anew from all: as traffic is from its source."""
        return rng.choices(self.rows, k=count)


def naive(examples: Sequence[Example], error: float) -> float:
    """Return the laxest threshold whose error on the examples themselves is no more than promised."""
    best, wrong = 1.1, 0
    for count, one in enumerate(sorted(examples, key=lambda one: -one.score), start=1):
        wrong += not one.right
        if wrong <= error * count:
            best = one.score
    return best
