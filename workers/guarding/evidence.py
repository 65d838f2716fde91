"""Evidence about the mean of scores between -1 and 1, valid however long and often one looks. Pure.

Two questions are asked of the same scores, each by betting against its answer (Waudby-Smith, Ramdas: "Estimating means of
bounded random variables by betting", JRSS B 2024): is the mean above what is bearable, and how large may it be at most. Both
hold for any scores whose mean, given all before, is what is asked about; nothing else is assumed of them.
"""

from dataclasses import dataclass
from math import exp, log, log1p

_BETS = (0.1, 0.25, 0.5, 0.75, 0.95)
_STEPS = 20


class Alarm:
    """Tells when the mean has risen above what is bearable, also after a long time of calm.

    An e-detector (Shin, Ramdas, Rinaldo: "E-detectors", 2023) of the CUSUM kind: while the mean is bearable, it takes
    `run_length` scores on average or more until a false alarm.
    """

    def __init__(self, bearable: float, run_length: float) -> None:
        self._bearable = bearable
        self._run_length = run_length
        self._bets = [bet / (1 + bearable) for bet in _BETS]
        self._wealth = [1.0] * len(_BETS)

    def hears(self, score: int) -> bool:
        """Take a score in and return whether there is reason for alarm now."""
        gain = score - self._bearable
        self._wealth = [max(1.0, had) * (1 + bet * gain) for bet, had in zip(self._bets, self._wealth, strict=True)]
        return sum(self._wealth) >= self._run_length * len(self._wealth)


@dataclass(slots=True)
class Scores:
    """How many scores were 1, 0 and -1: all that a bound on their mean needs."""

    ups: int = 0
    zeros: int = 0
    downs: int = 0

    def add(self, score: int) -> None:
        self.ups += score > 0
        self.zeros += score == 0
        self.downs += score < 0

    @property
    def count(self) -> int:
        return self.ups + self.zeros + self.downs

    @property
    def mean(self) -> float:
        """The mean of the scores, 0 without any."""
        return (self.ups - self.downs) / max(1, self.count)

    def at_most(self, risk: float) -> float:
        """Return a bound, 0 or more, that the mean does not exceed; it fails at any time at all with this probability."""
        least, most = 0.0, 1.0
        for _ in range(_STEPS):
            middle = (least + most) / 2
            if self._against(middle) >= log(1 / risk):
                most = middle
            else:
                least = middle
        return most

    def _against(self, mean: float) -> float:
        """Return the logarithm of what was won by betting that the true mean is below this one; rises with it."""
        won = [
            self.zeros * log1p(bet * mean) + self.ups * log1p(-bet * (1 - mean)) + self.downs * log1p(bet * (1 + mean))
            for bet in _BETS
        ]
        best = max(won)
        return best + log(sum(exp(one - best) for one in won) / len(won))
