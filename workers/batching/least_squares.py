"""Recursive least squares with forgetting: a linear law learned from one observation after the other. Pure.

Forgetting (Ljung: "System Identification", 2nd ed., section 11.2) follows a law that changes. It pauses while it would make
the law less certain than it was at first: observations that are all alike teach nothing about their parts, and an estimator
that went on forgetting would believe the next noise whole.
"""

from collections.abc import Callable, Sequence
from math import sqrt
from operator import mul

_times: Callable[[float, float], float] = mul


class LeastSquares:
    """Coefficients of a law of a few terms, about which the given ones are the first guess.

    `spread` is how far off a first guess may be, in multiples of the noise of an observation.
    """

    def __init__(self, guess: Sequence[float], spread: float, forgetting: float = 0.99) -> None:
        self.coefficients = list(guess)
        self._forgetting = forgetting
        self._covariance = [[spread**2 if row == column else 0.0 for column in range(len(guess))] for row in range(len(guess))]
        self._most_uncertain = spread**2 * len(guess)

    def predict(self, terms: Sequence[float]) -> float:
        return sum(map(_times, self.coefficients, terms))

    def learn(self, terms: Sequence[float], seen: float) -> None:
        """Correct the coefficients by one observation."""
        pulled = [sum(map(_times, row, terms)) for row in self._covariance]
        certainty = 1.0 + sum(map(_times, terms, pulled))
        gain = (seen - self.predict(terms)) / certainty
        self.coefficients = [known + pull * gain for known, pull in zip(self.coefficients, pulled, strict=True)]
        # What is taken off is symmetric to the last bit: forgetting would let the least difference grow without bounds.
        root = sqrt(certainty)
        taught = [pull / root for pull in pulled]
        uncertain = sum(row[place] for place, row in enumerate(self._covariance)) - sum(map(_times, taught, taught))
        grown = 1.0 / self._forgetting if uncertain / self._forgetting <= self._most_uncertain else 1.0
        self._covariance = [
            [grown * (entry - part * other) for entry, other in zip(row, taught, strict=True)]
            for row, part in zip(self._covariance, taught, strict=True)
        ]
