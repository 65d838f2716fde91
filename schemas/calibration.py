"""A calibration: what labelled examples say of one task on one model, and what it is bound to. A versioned file.

It holds the thresholds that keep the task's promise, and maps from scores to probabilities that mean what they say. Scores of
another signal, model, prompt or schema have another distribution, so a calibration is of no use for them.
"""

import hashlib
from bisect import bisect_left
from datetime import date
from math import exp, log
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from schemas.fields import Frozen
from schemas.promise import REST, Promise
from schemas.task import Task
from schemas.verdict import SignalKind

_LEAST, _MOST = 1e-6, 1.0 - 1e-6

Share = Annotated[float, Field(ge=0, le=1)]


def log_odds(score: float) -> float:
    """Return the log-odds of a score, kept finite: scores are published to six digits."""
    kept = min(_MOST, max(_LEAST, score))
    return log(kept / (1.0 - kept))


_MOST_REACH = 30.0


class PlattMap(Frozen):
    """A sigmoid of the score's log-odds (Platt 1999)."""

    kind: Literal["platt"] = "platt"
    slope: float = Field(ge=0, description="Of the log-odds; not negative, so that the order of scores is kept.")
    intercept: float

    def of(self, score: float) -> float:
        """Return the probability that an answer with this score is right; beyond what a float tells from 0 or 1 it stays."""
        reach = min(_MOST_REACH, max(-_MOST_REACH, self.slope * log_odds(score) + self.intercept))
        return 1.0 / (1.0 + exp(-reach))


class IsotonicMap(Frozen):
    """Straight lines through points that rise, and level beyond the ends (Zadrozny and Elkan 2002)."""

    kind: Literal["isotonic"] = "isotonic"
    scores: tuple[Share, ...] = Field(min_length=1)
    probabilities: tuple[Share, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _rising(self) -> Self:
        if len(self.scores) != len(self.probabilities):
            raise ValueError("scores and probabilities differ in length")
        if list(self.scores) != sorted(set(self.scores)) or list(self.probabilities) != sorted(self.probabilities):
            raise ValueError("scores and probabilities do not rise")
        return self

    def of(self, score: float) -> float:
        """Return the probability that an answer with this score is right."""
        xs, ys = self.scores, self.probabilities
        right = bisect_left(xs, score)
        if right == 0:
            return ys[0]
        if right == len(xs):
            return ys[-1]
        share = (score - xs[right - 1]) / (xs[right] - xs[right - 1])
        return ys[right - 1] + share * (ys[right] - ys[right - 1])


ProbabilityMap = Annotated[PlattMap | IsotonicMap, Field(discriminator="kind")]


class Bound(Frozen):
    """What a calibration is of. Whatever differs makes it another one's."""

    task: str
    rules: str = Field(description="Hash of the task's fields, checks and reply model, which decide what may be accepted.")
    code: str = Field(description="Hash of the user's own checks and reply model as written, empty for none.")
    promise: Promise
    signal: SignalKind
    model: str = Field(description="The model's name in the settings.")
    prompt: str = Field(description="Hash of the prompt's static part.")
    reply_schema: str = Field(description="Hash of the reply's JSON schema.")
    batch_items: int = Field(ge=1, description="Messages in one call at most; scores in a batch depend on their neighbours.")


class Group(Frozen):
    """One group's threshold and what it rests on. `least` null accepts nothing: no threshold keeps the promise."""

    error: float = Field(gt=0, lt=0.5, description="The error promised for this group.")
    least: Share | None = Field(description="Accept from this score on.")
    examples: int = Field(ge=0, description="Labelled examples of the group.")
    accepted: int = Field(ge=0, description="Those that reach the threshold, or the strictest one that was tried.")
    wrong: int = Field(ge=0, description="Those of them that are wrong.")
    bound: Share | None = Field(description="The error at most, at the group's share of the risk.")
    missing: int | None = Field(description="How many more examples may be enough; null when more alone would not help.")


class Unknowns(Frozen):
    """What becomes of messages for which `unknown` is the right answer, by the labelled examples of them."""

    promised: float | None = Field(description="The share of them that may be labelled; null promises nothing about them.")
    examples: int = Field(ge=0, description="Answered messages whose gold label says unknown.")
    labelled: int = Field(ge=0, description="Those that the thresholds would label.")
    bound: Share | None = Field(description="The share labelled at most, at this test's part of the risk; null without any.")
    missing: int | None = Field(description="How many more of them may be enough; null when there are enough.")


class Counts(Frozen):
    """What the calibration was made from."""

    gold: str = Field(description="SHA-256 of the gold labels, so that nobody measures it by them unawares.")
    records: int = Field(ge=0)
    labelled: int = Field(ge=0, description="Records with a gold label of every promised field.")
    examples: int = Field(ge=0, description="Those whose answer nothing but the promise could escalate.")
    wrong: int = Field(ge=0, description="Examples with a wrong label.")
    unlabelled: int = Field(ge=0, description="Records without gold labels whose scores chose the thresholds to try.")


class ScoreSketch(Frozen):
    """How the examples' scores are distributed: their numbers below, between and from the edges on."""

    edges: tuple[Share, ...]
    counts: tuple[int, ...]

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if len(self.counts) != len(self.edges) + 1 or list(self.edges) != sorted(set(self.edges)):
            raise ValueError("edges must rise, and there is one count more than edges")
        return self


class Calibration(Frozen):
    """The file. `groups` holds the thresholds by label, `*` for all labels without a promise of their own."""

    calibration: Literal["nanotriage.calibration.v1"] = "nanotriage.calibration.v1"
    bound: Bound
    made: date
    library: str = Field(description="The version of nanotriage that made it.")
    answered_by: tuple[str, ...] = Field(description="The models that answered, as they call themselves.")
    counts: Counts
    groups: dict[str, Group]
    unknowns: Unknowns
    event: ProbabilityMap | None = Field(description="From the event's score to the probability that its labels are right.")
    fields: dict[str, ProbabilityMap] = Field(description="The same for each label field that has gold labels.")
    scores: ScoreSketch | None = Field(default=None, description="The examples' scores, to see whether traffic still has such.")

    @model_validator(mode="after")
    def _rest(self) -> Self:
        if REST not in self.groups:
            raise ValueError(f"the group {REST} is missing")
        return self

    @property
    def identity(self) -> str:
        """A hash of the content: the name by which events refer to it."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:16]

    def group(self, label: str | None) -> Group:
        """Return the group of a message by its label in the promise's field."""
        return self.groups.get(label or REST, self.groups[REST])


def rules_hash(task: Task) -> str:
    """Return the hash of what decides, beside the model, whether a message may be labelled."""
    rules = task.model_dump_json(include={"fields", "checks", "reply_model"})
    return hashlib.sha256(rules.encode()).hexdigest()[:16]
