"""Whether counts of now are drawn from what counts of before were drawn from. Pure.

Given both samples together, and how large each is, how many of a category fall to the one of now is hypergeometric if all
messages are exchangeable, whatever their distribution. `evidence` bets against that, category by category, each given those
before it, so its expectation is exactly one at any sample size: it reaches 1/risk with probability `risk` at most (Markov;
betting as in Ramdas, Gruenwald, Vovk and Shafer 2023, arXiv:2210.01948). No table of chi-square is needed, which small
counts would not obey.

With enough traffic every harmless difference is proven, so a change must also be large. `stability` is the population stability
index less what chance alone makes of it: (K - 1)(1/n + 1/N) for K categories (Yurdakul and Naranjo 2020, Journal of Risk
Model Validation 14(4)).
"""

from collections.abc import Mapping, Sequence
from math import exp, lgamma, log, log1p

Counts = Mapping[str, int]

_STEPS = (0.25, 0.5, 1.0, 2.0)
"""Logarithms of the odds ratios that are bet on, upwards and downwards."""
_NEGLIGIBLE = 1e-17
_HALF = 0.5  # the prior count of a category: Jeffreys'


def evidence(now: Counts, before: Counts) -> float:
    """Return the logarithm of the evidence that the shares of categories differ: everywhere a little, or of one alone."""
    pooled = {name: now.get(name, 0) + before.get(name, 0) for name in {**now, **before}}
    order = sorted((name for name in pooled if pooled[name]), key=lambda name: (-pooled[name], name))
    n, total = sum(now.values()), sum(pooled.values())
    if not 0 < n < total or len(order) < 2:  # noqa: PLR2004 (one category says nothing)
        return 0.0
    everywhere = [0.0] * len(_STEPS)
    alone: list[float] = []
    left, of = n, total
    for name in order:
        found, marked = now.get(name, 0), pooled[name]
        for place, step in enumerate(_STEPS):
            everywhere[place] += _mean([_bet(found, marked, left, of, step), _bet(found, marked, left, of, -step)])
            alone += [_bet(found, marked, n, total, step), _bet(found, marked, n, total, -step)]
        left, of = left - found, of - marked
    return _mean([_mean(everywhere), _mean(alone)])


def rise(now: int, of: int, before: int, before_of: int) -> float:
    """Return the logarithm of the evidence that a share has risen."""
    total = of + before_of
    if not 0 < of < total:
        return 0.0
    return _mean([_bet(now, now + before, of, total, step) for step in _STEPS])


def burst(now: float, span: float, before: float, before_span: float) -> float:
    """Return the logarithm of the evidence that a Poisson count has a higher rate over this span than it had before.

    Given the sum of both counts, that of now is binomial if the rates are one.
    """
    part = span / (span + before_span)
    return _mean([now * step - (now + before) * log1p(part * (exp(step) - 1.0)) for step in _STEPS])


def stability(now: Counts, before: Counts) -> float:
    """Return the population stability index beyond chance: 0.1 is said to be moderate, 0.25 large."""
    names = sorted({name for counts in (now, before) for name, count in counts.items() if count})
    n, total = sum(now.values()), sum(before.values())
    if not n or not total:
        return 0.0
    index = 0.0
    for name in names:
        new = (now.get(name, 0) + _HALF) / (n + _HALF * len(names))
        old = (before.get(name, 0) + _HALF) / (total + _HALF * len(names))
        index += (new - old) * log(new / old)
    return max(0.0, index - (len(names) - 1) * (1 / n + 1 / total))


def times(now: int, of: int, before: int, before_of: int) -> float:
    """Return how many times the share of before the share of now is."""
    return (now + _HALF) / (of + 1) / ((before + _HALF) / (before_of + 1))


def _bet(found: int, marked: int, drawn: int, total: int, step: float) -> float:
    """Return log(w^found / E[w^X]) for X hypergeometric and w = e^step: what a bet on that odds ratio has won."""
    return found * step - _log_mean(marked, drawn, total, step)


def _log_mean(marked: int, drawn: int, total: int, step: float) -> float:
    """Return log E[e^(step X)], X the marked ones among those drawn without replacement. Sums out from the largest term."""
    least, most = max(0, drawn + marked - total), min(drawn, marked)
    odds = exp(step)

    def ratio(x: int) -> float:
        return odds * (marked - x) * (drawn - x) / ((x + 1) * (total - marked - drawn + x + 1))

    low, high = least, most
    while low < high:  # the first x from which terms fall: ratios only fall
        middle = (low + high) // 2
        low, high = (middle + 1, high) if ratio(middle) > 1.0 else (low, middle)
    mode, added = low, 1.0
    term, x = 1.0, mode
    while x < most and term > _NEGLIGIBLE:
        term *= ratio(x)
        added, x = added + term, x + 1
    term, x = 1.0, mode
    while x > least and term > _NEGLIGIBLE:
        x -= 1
        term /= ratio(x)
        added += term
    chance = _log_choose(marked, mode) + _log_choose(total - marked, drawn - mode) - _log_choose(total, drawn)
    return chance + step * mode + log(added)


def _log_choose(of: int, taken: int) -> float:
    return lgamma(of + 1) - lgamma(taken + 1) - lgamma(of - taken + 1)


def _mean(values: Sequence[float]) -> float:
    """Return the logarithm of the mean."""
    top = max(values)
    return top + log(sum(exp(value - top) for value in values) / len(values))
