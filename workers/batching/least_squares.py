"""Recursive least squares with forgetting: a linear law learned from one observation after the other. Pure.

Forgetting (Ljung: "System Identification", 2nd ed., section 11.2) follows a law that changes. It pauses while it would make
the law less certain than it was at first: observations that are all alike teach nothing about their parts, and an estimator
that went on forgetting would believe the next noise whole.
"""

from collections.abc import Sequence


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
        return sum(coefficient * term for coefficient, term in zip(self.coefficients, terms, strict=True))

    def learn(self, terms: Sequence[float], seen: float) -> None:
        """Correct the coefficients by one observation."""
        pulled = [sum(entry * term for entry, term in zip(row, terms, strict=True)) for row in self._covariance]
        certainty = 1.0 + sum(term * pull for term, pull in zip(terms, pulled, strict=True))
        error = seen - self.predict(terms)
        for index, pull in enumerate(pulled):
            self.coefficients[index] += pull / certainty * error
        for index, row in enumerate(self._covariance):
            self._covariance[index] = [
                entry - pulled[index] * pull / certainty for entry, pull in zip(row, pulled, strict=True)
            ]
        uncertain = sum(row[index] for index, row in enumerate(self._covariance))
        if uncertain / self._forgetting <= self._most_uncertain:
            self._covariance = [[entry / self._forgetting for entry in row] for row in self._covariance]
