"""Whether scores are still those that a calibration was made from. Pure.

If live scores and the calibration's are exchangeable, the next score falls into a bin with the probability that Polya's urn
gives: the share of all scores so far, the calibration's among them. So the calibration's own chance is accounted for, however
small it is, and the risk of a false alarm is exact up to one example a bin (conformal test martingales: Vovk, Gammerman and
Shafer 2005, chapter 7; Vovk 2021). The alternative is what the last few hundred scores look like.

With enough traffic every harmless difference is proven some day, so a shift must also be large: the population stability
index (the symmetric Kullback-Leibler divergence over the bins) of some six hundred last scores.
"""

from bisect import bisect_right
from collections.abc import Sequence
from math import log

from schemas.calibration import ScoreSketch
from workers.promising.evidence import Wager

BINS = 10
_MEMORIES = (150.0, 600.0)  # how many last scores an alternative is of
_PRIOR = 30.0  # for so many scores the calibration's distribution stands


def sketch_of(scores: Sequence[float]) -> ScoreSketch | None:
    """Return the scores' distribution over bins of about equal mass, None of none."""
    if not scores:
        return None
    ordered = sorted(scores)
    edges = sorted({ordered[len(ordered) * place // BINS] for place in range(1, BINS)} - {ordered[0]})
    counts = [0] * (len(edges) + 1)
    for score in ordered:
        counts[bisect_right(edges, score)] += 1
    return ScoreSketch(edges=tuple(edges), counts=tuple(counts))


class ShiftTest:
    """Evidence that scores come from elsewhere than the sketch, and how far off the last ones are."""

    def __init__(self, sketch: ScoreSketch) -> None:
        self._edges = sketch.edges
        # Between and around n scores there are n + 1 places for the next; the lowest bin has one more than scores.
        self._urn = [float(count + (place == 0)) for place, count in enumerate(sketch.counts)]
        self._total = sum(self._urn)
        self._was = [count / self._total for count in self._urn]
        self._lately = [_Lately(memory, len(self._urn)) for memory in _MEMORIES]
        self._wager = Wager(len(_MEMORIES))

    def see(self, score: float) -> None:
        place = bisect_right(self._edges, score)
        was, expected = self._was[place], self._urn[place] / self._total
        self._wager.see([lately.share(place, was) / expected for lately in self._lately])
        self._urn[place] += 1.0
        self._total += 1.0
        for lately in self._lately:
            lately.see(place)

    @property
    def evidence(self) -> float:
        return self._wager.evidence

    def size(self) -> float:
        """Return the population stability index of the last scores: 0.1 is said to be moderate, 0.25 large."""
        now = [self._lately[-1].share(place, was) for place, was in enumerate(self._was)]
        return sum((new - old) * log(new / old) for new, old in zip(now, self._was, strict=True))


class _Lately:
    """The shares of the last scores, each counting less the longer ago it was."""

    def __init__(self, memory: float, bins: int) -> None:
        self._fading = 1.0 - 1.0 / memory
        self._counts = [0.0] * bins
        self._weight = 0.0

    def see(self, place: int) -> None:
        fading = self._fading
        self._counts = [count * fading for count in self._counts]
        self._counts[place] += 1.0
        self._weight = self._weight * fading + 1.0

    def share(self, place: int, was: float) -> float:
        """Return a bin's share; the calibration's own stands for some scores, so that none is ever zero."""
        return (self._counts[place] + _PRIOR * was) / (self._weight + _PRIOR)
