"""A planted neighbour effect: labels that depend on the company. Pure, and the same again for the same call.

The later a message stands in a call and the more there are, the more often its label is another one than alone.
"""

from collections.abc import Sequence
from hashlib import blake2b


def turned(texts: Sequence[str], seed: int, strength: float) -> frozenset[int]:
    """Return the places whose label is turned. A call of n has `strength` * (n - 1) * n of them on average, most at its end."""
    company = blake2b("\0".join(texts).encode()).digest()
    return frozenset(
        place
        for place in range(len(texts))
        if _draw(company, seed, place) < strength * ((len(texts) - 1) / 2 + place) and len(texts) > 1
    )


def _draw(company: bytes, seed: int, place: int) -> float:
    return int.from_bytes(blake2b(b"%d|%d" % (seed, place), digest_size=4, key=company).digest(), "big") / 2**32
