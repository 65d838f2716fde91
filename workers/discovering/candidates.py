"""Candidates: clusters of escalated messages in words, for somebody who decides whether they want a label. Pure."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from schemas.fields import UNKNOWN
from workers.discovering.escalations import Escalation
from workers.discovering.terms import distinguishing

Table = tuple[Sequence[str], Sequence[Sequence[str]]]
HEADS = ("SIZE", "SHARE", "TERMS", "THE MODEL SAID", "EXAMPLES")
_EXAMPLE_CHARS = 100


@dataclass(frozen=True, slots=True)
class Candidate:
    """One cluster: its size and share of all, its words, what the model said of how many members, and its central members."""

    size: int
    share: float
    terms: Sequence[str]
    said: Sequence[tuple[str, float]]
    examples: Sequence[Escalation]

    def as_json(self) -> dict[str, Any]:
        return {
            "size": self.size,
            "share": round(self.share, 4),
            "terms": list(self.terms),
            "model_said": [{"label": label, "share": round(share, 4)} for label, share in self.said],
            "examples": [{"id": one.identity, "text": one.text} for one in self.examples],
        }


def candidate(members: Sequence[Escalation], others: Sequence[Escalation], examples: int) -> Candidate:
    """Return the cluster of these members, the most central first, beside all others that were escalated."""
    said = Counter(label for one in members for label in _said(one))
    return Candidate(
        size=len(members),
        share=len(members) / (len(members) + len(others)),
        terms=distinguishing([one.text for one in members], [one.text for one in others]),
        said=[(label, count / len(members)) for label, count in said.most_common(2)],
        examples=members[:examples],
    )


def rows(found: Sequence[Candidate]) -> list[list[str]]:
    """Return the rows under HEADS, not yet fit for a terminal: one a candidate, and one more for each further example."""
    made = []
    for one in found:
        said = ", ".join(f"{label} {share:.0%}" for label, share in one.said)
        texts = [" ".join(example.text.split())[:_EXAMPLE_CHARS] for example in one.examples] or [""]
        made.append([str(one.size), f"{one.share:.1%}", ", ".join(one.terms), said, texts[0]])
        made += [["", "", "", "", text] for text in texts[1:]]
    return made


def _said(one: Escalation) -> list[str]:
    return [f"{name}={label or UNKNOWN}" for name, label in one.labels.items()]
