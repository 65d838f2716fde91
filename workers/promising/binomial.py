"""Exact binomial tails, by sums in the standard library: a worker needs no scipy for them."""

from math import exp, lgamma, log, log1p

_NEGLIGIBLE = 1e-18
_HALVINGS = 60


def at_most(wrong: int, of: int, error: float) -> float:
    """Return P(X <= wrong) for X ~ Bin(of, error): how likely so few errors are if the true share of errors is `error`."""
    if wrong >= of or error <= 0.0:
        return 1.0
    if wrong < 0 or error >= 1.0:
        return 0.0
    if wrong < of * error:
        return min(1.0, _sum(wrong, of, error, -1))
    return max(0.0, 1.0 - _sum(wrong + 1, of, error, 1))


def upper_bound(wrong: int, of: int, risk: float) -> float:
    """Return the Clopper-Pearson bound: the true share of errors is above it in at most a share `risk` of samples."""
    if wrong >= of:
        return 1.0
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if at_most(wrong, of, middle) <= risk else (middle, high)
    return high


def least_sample(error: float, risk: float, wrong: int) -> int:
    """Return the smallest n with P(Bin(n, error) <= wrong) <= risk: fewer examples with so many errors prove nothing."""
    low, high = wrong, wrong + 1
    while at_most(wrong, high, error) > risk:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if at_most(wrong, middle, error) <= risk else (middle, high)
    return high


def _sum(start: int, of: int, error: float, step: int) -> float:
    """Return the sum of the probabilities from `start` away from the mode, where each is smaller than the one before."""
    first = lgamma(of + 1) - lgamma(start + 1) - lgamma(of - start + 1) + start * log(error) + (of - start) * log1p(-error)
    odds = error / (1.0 - error)
    total, term, k = 1.0, 1.0, start
    while 0 <= k + step <= of and term > _NEGLIGIBLE * total:
        term *= (of - k) / (k + 1) * odds if step > 0 else k / ((of - k + 1) * odds)
        total += term
        k += step
    return exp(first) * total
