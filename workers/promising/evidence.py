"""Evidence that something has changed, to be looked at after every observation. Pure.

An e-process bets against "nothing has changed" and starts with one coin. If nothing has, no betting makes the capital grow
in expectation, so it ever reaches 1/risk with probability `risk` at most, however often one looks (Ville 1939; Ramdas,
Gruenwald, Vovk and Shafer 2023, arXiv:2210.01948; betting as Waudby-Smith and Ramdas 2023, arXiv:2010.09686). Part of the coin
is staked at every observation, so that a change after thousands is found nearly as soon as one at the start.
"""

from collections.abc import Sequence
from math import log1p

_RUIN, _RICH = 1e-12, 1e12  # what is left or won beyond them decides nothing


class Wager:
    """A coin spread over alternatives and over the times at which they may have become true."""

    def __init__(self, alternatives: int) -> None:
        self._stakes = [0.0] * alternatives
        self._kept = 1.0
        self._seen = 0

    def see(self, odds: Sequence[float]) -> None:
        """Take an observation: for each alternative, its probability of it over the probability if nothing has changed.

        The expectation of each must be one at most if nothing has changed, given all observations before.
        """
        self._seen += 1
        left = 1.0 / (1.0 + log1p(self._seen))
        fresh = (self._kept - left) / len(self._stakes)
        self._kept = left
        self._stakes = [
            min(_RICH, max(_RUIN * fresh, (stake + fresh) * each)) for stake, each in zip(self._stakes, odds, strict=True)
        ]

    @property
    def evidence(self) -> float:
        """Return the capital: 1 at first."""
        return self._kept + sum(self._stakes)


_HIGHER_ODDS = (1.5, 2.0, 3.0, 5.0, 9.0, 20.0)


class ErrorTest:
    """Evidence that more than a share `error` of labels is wrong.

    If each is wrong with a probability of at most `error` given those before, independent or not, the evidence ever reaches
    1/risk with probability `risk` at most.
    """

    def __init__(self, error: float) -> None:
        odds = error / (1.0 - error)
        worse = [odds * times / (1.0 + odds * times) for times in _HIGHER_ODDS]
        self._wrong = [each / error for each in worse]
        self._right = [(1.0 - each) / (1.0 - error) for each in worse]
        self._wager = Wager(len(worse))

    def see(self, *, right: bool) -> None:
        self._wager.see(self._right if right else self._wrong)

    @property
    def evidence(self) -> float:
        return self._wager.evidence
