"""Rates of flips by what they are counted by, a place in the call or a label, each with a bound. Pure."""

from collections import defaultdict
from collections.abc import Hashable
from typing import Generic, TypeVar

from workers.guarding.evidence import Scores
from workers.guarding.trust import RISK

K = TypeVar("K", bound=Hashable)


class Tally(Generic[K]):
    """Scores by key, of all sizes of calls together and since the start."""

    def __init__(self) -> None:
        self._scores: defaultdict[K, Scores] = defaultdict(Scores)

    def add(self, key: K, score: int) -> float:
        """Take a score in; return what this key's rate does not exceed, wrong at any time at all with probability `RISK`."""
        scores = self._scores[key]
        scores.add(score)
        return scores.at_most(RISK)
