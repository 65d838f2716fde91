"""Bounds of a share that hold at all times, however often one looks. Pure.

Robbins' confidence sequence by the method of mixtures: the shares that a Beta(1/2, 1/2) mixture of alternatives has no
evidence of 1/risk against (Robbins 1970; Howard, Ramdas, McAuliffe and Sekhon 2021, arXiv:1810.08240). Clopper-Pearson bounds
hold for one look at a number of observations that was fixed before, and are broken in the end by who looks again and again.
"""

from math import lgamma, log, log1p

_HALVINGS = 50
_LEAST = 1e-12


def bounds(hits: int, of: int, risk: float) -> tuple[float, float]:
    """Return bounds of the true share: both hold for ever, for all numbers of observations together, but for the risk."""
    if not of:
        return 0.0, 1.0
    share = hits / of
    return _edge(hits, of, risk, share, 0.0), _edge(hits, of, risk, share, 1.0)


def _edge(hits: int, of: int, risk: float, inside: float, outside: float) -> float:
    """Return where the evidence against a share reaches 1/risk, between the share that was seen and an end."""
    mixed = lgamma(hits + 0.5) + lgamma(of - hits + 0.5) - lgamma(of + 1) - 2.0 * lgamma(0.5)
    most = mixed + log(risk)
    if share_likelihood(hits, of, outside) >= most:
        return outside
    for _ in range(_HALVINGS):
        middle = (inside + outside) / 2
        if share_likelihood(hits, of, middle) >= most:
            inside = middle
        else:
            outside = middle
    return outside


def share_likelihood(hits: int, of: int, share: float) -> float:
    """Return the log-likelihood of a share."""
    kept = min(1.0 - _LEAST, max(_LEAST, share))
    return hits * log(kept) + (of - hits) * log1p(-kept)
