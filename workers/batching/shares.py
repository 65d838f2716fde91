"""Weighted shares of one server among a few named claimants: start-time fair queueing. Pure.

Over any time in which two claimants have work, what they are served is in proportion to their weights, to within one piece
of work each; whoever had none is served next when it comes back, and no weight, however small, starves
(Goyal, Vin, Cheng: "Start-time Fair Queueing", SIGCOMM 1996).
"""

from collections.abc import Iterable, Mapping
from typing import Generic, TypeVar

K = TypeVar("K")


class Shares(Generic[K]):
    """Who is next. Claimants given first win ties."""

    def __init__(self, weights: Mapping[K, float]) -> None:
        if any(weight <= 0 for weight in weights.values()):
            raise ValueError("a share without weight would starve")
        self._weights = dict(weights)
        self._order = {claimant: place for place, claimant in enumerate(weights)}
        self._finish = dict.fromkeys(weights, 0.0)
        self._virtual = 0.0

    def next(self, claimants: Iterable[K]) -> K:
        """Return which of these, at least one, is served next."""
        return min(claimants, key=lambda claimant: (max(self._virtual, self._finish[claimant]), self._order[claimant]))

    def charge(self, claimant: K, cost: float) -> None:
        """Say that this claimant is served a piece of work of this cost."""
        self._virtual = max(self._virtual, self._finish[claimant])
        self._finish[claimant] = self._virtual + cost / self._weights[claimant]
