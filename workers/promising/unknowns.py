"""Messages for which `unknown` is the right answer: the score above which at most a promised share of them is labelled. Pure.

The share that is labelled can only fall as a threshold rises, so the sequence of thresholds needs no order here: with `n`
such examples the threshold lies above all but `k` of their scores, where `k` is the most that P(Bin(n, share) <= k) <= risk
allows (the umbrella algorithm of Neyman-Pearson classification, Tong, Feng and Li 2018, doi:10.1126/sciadv.aao1659).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from workers.promising.binomial import at_most, least_sample
from workers.promising.threshold import ANY


@dataclass(frozen=True, slots=True)
class Above:
    """A threshold above this score keeps the promise; `ANY` is below every score."""

    score: float


@dataclass(frozen=True, slots=True)
class TooFew:
    """So few examples prove nothing; so many more, none of them labelled, would."""

    missing: int


def limit(scores: Sequence[float], examples: int, share: float, risk: float) -> Above | TooFew:
    """Return where thresholds must lie for at most `share` of such messages to be labelled, with probability `1 - risk`.

    `scores` are of those of the `examples` that nothing but a threshold would escalate.
    """
    if at_most(0, examples, share) > risk:
        return TooFew(least_sample(share, risk, 0) - examples)
    allowed = 0
    while at_most(allowed + 1, examples, share) <= risk:
        allowed += 1
    falling = sorted(scores, reverse=True)
    return Above(falling[allowed]) if len(falling) > allowed else Above(ANY)
