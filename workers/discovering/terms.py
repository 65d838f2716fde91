"""Terms: the words that tell one cluster from the rest. Pure."""

import re
from collections import Counter
from collections.abc import Sequence
from math import log

_WORD = re.compile(r"[^\W\d_][\w'-]*")
_SHRINK = 0.5


def distinguishing(inside: Sequence[str], outside: Sequence[str], most: int = 5) -> list[str]:
    """Return the words that stand in many of the texts inside and few outside, the most telling first.

    Ranked by the share of the texts inside that have the word, times the logarithm of how much larger that is than outside.
    """
    ours, theirs = _texts_with(inside), _texts_with(outside)
    ranked = []
    for word, count in ours.items():
        share = count / len(inside)
        other = (theirs[word] + _SHRINK) / (len(outside) + 1)
        if count > 1 and share > other:
            ranked.append((-share * log(share / other), word))
    return [word for _, word in sorted(ranked)[:most]]


def _texts_with(texts: Sequence[str]) -> Counter[str]:
    return Counter(word for text in texts for word in set(_WORD.findall(text.lower())))
