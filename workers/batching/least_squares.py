"""Recursive least squares with forgetting: a linear law learned from one observation after the other. Pure.

Forgetting (Ljung: "System Identification", 2nd ed., section 11.2) follows a law that changes. It pauses while it would make
the law less certain than it was at first: observations that are all alike teach nothing about their parts, and an estimator
that went on forgetting would believe the next noise whole.
"""

from collections.abc import Callable, Sequence
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
        corrections = [pull / certainty for pull in pulled]
        error = seen - self.predict(terms)
        self.coefficients = [known + gain * error for known, gain in zip(self.coefficients, corrections, strict=True)]
        uncertain = sum(row[place] for place, row in enumerate(self._covariance)) - sum(map(_times, pulled, corrections))
        grown = 1.0 / self._forgetting if uncertain / self._forgetting <= self._most_uncertain else 1.0
        self._covariance = [
            [grown * (entry - gain * pull) for entry, pull in zip(row, pulled, strict=True)]
            for row, gain in zip(self._covariance, corrections, strict=True)
        ]
