"""Thresholds: the rule by which a task without a promise accepts labels, each for one kind of confidence."""

from typing import Annotated, Literal, assert_never

from pydantic import Field

from schemas.fields import Frozen, Name
from schemas.verdict import SignalKind

Least = Annotated[float, Field(gt=0, le=1)]


class DecisionThresholds(Frozen):
    """The thresholds of a decision route's probabilities, which are another kind than log-probabilities."""

    default: Least = 0.7
    fields: dict[Name, Least] = Field(default_factory=dict)

    def of(self, field: str) -> float:
        return self.fields.get(field, self.default)


class Thresholds(Frozen):
    """Accept a label when its confidence reaches the threshold of its field. Fields not named accept `default`.

    `default` and `fields` are about log-probabilities, `decisions` is about a decision route's probabilities, `agreement` about
    the share of further answers that agree: no number stands for two of them. `bands` says which stated bands are accepted
    where the route gives none of these.
    """

    default: Least = 0.7
    fields: dict[Name, Least] = Field(default_factory=dict)
    decisions: DecisionThresholds | None = None
    agreement: Least | None = None
    bands: tuple[Literal["high", "medium", "low"], ...] = ("high",)

    def of(self, field: str, kind: SignalKind) -> float | None:
        """Return the least probability of this kind that is accepted, or None if the task states none."""
        match kind:
            case SignalKind.LOGPROBS:
                return self.fields.get(field, self.default)
            case SignalKind.DISTRIBUTION:
                return self.decisions.of(field) if self.decisions is not None else None
            case SignalKind.AGREEMENT:
                return self.agreement
            case SignalKind.BAND:
                return None
            case _:
                assert_never(kind)
