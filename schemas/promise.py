"""A promise: the error a user accepts among published labels, and how sure he wants to be that it is kept."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from schemas.fields import Frozen, Name

REST = "*"
"""The group of all messages whose label has no promise of its own; never a label."""

Error = Annotated[float, Field(gt=0, lt=0.5)]


class LabelPromises(Frozen):
    """Labels of `field` with an error of their own: of the messages published under each, no more are wrong."""

    field: Name
    errors: dict[Name, Error] = Field(min_length=1)


class Promise(Frozen):
    """At most a share `error` of the labelled messages has a wrong label, with this confidence over the draw of the examples.

    It is about the label fields named in `fields`, by default those that are required. `stages` is how many models in a row
    share the promise, each asked about what the one before escalated; every stage states the same promise and spends its part
    of the risk. Needs a calibration file.

    `unknown` promises besides, with the same confidence: of the messages for which `unknown` is the right answer, at most this
    share is labelled. None promises nothing about them beyond `error`, to which each of them counts as wrong.
    """

    error: Error
    confidence: float = Field(default=0.9, gt=0.5, lt=1)
    fields: tuple[Name, ...] = ()
    labels: LabelPromises | None = None
    stages: int = Field(default=1, ge=1, le=8)
    unknown: Error | None = None

    def errors(self) -> Mapping[str, float]:
        """Return the error of each group: labels with a promise of their own, and the rest."""
        return {**(self.labels.errors if self.labels else {}), REST: self.error}

    def risk(self) -> float:
        """Return the risk of one test: with Bonferroni's split all groups at all stages keep the confidence.

        What is promised of unknown messages is one test more, unless there is one threshold only: that passes both tests at
        every step, and is wrong only where a test at full risk is (intersection-union, Berger 1982).
        """
        groups = len(self.errors())
        return (1.0 - self.confidence) / (self.stages * (groups + (self.unknown is not None and groups > 1)))
