"""Verdicts: what became of a message. There are three, and each non-label has a closed reason."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple


class SignalKind(StrEnum):
    """Where a confidence comes from. Two kinds are never compared with one threshold."""

    DISTRIBUTION = "distribution"  # a decision route's own probability of every label
    LOGPROBS = "logprobs"  # probability of the label's tokens among the labels
    AGREEMENT = "agreement"  # how many answers to the same text alone, its labels in another order, say the same
    BAND = "band"  # the model's own word: high, medium or low


@dataclass(frozen=True, slots=True)
class Decision:
    """What a decision route says of one field: a label, and the probability of every label or None."""

    label: str
    distribution: Mapping[str, float] | None


class Band(StrEnum):
    """The model's own word for how sure it is. A claim, not a probability."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


@dataclass(frozen=True, slots=True)
class ClaimedConfidence:
    """What the model says of itself. Only `Thresholds.bands` may look at it."""

    band: Band


class Confidence(NamedTuple):
    """Our probability that a label is the model's choice among the labels.

    `mass` is the probability of all labels together at that place; a low mass means that the model wanted to say something
    else. `batch_size` and `place` belong to it: a label in a batch is conditioned on those before it. So does `kind`, where
    it comes from: a threshold holds for one kind.
    """

    probability: float
    mass: float
    batch_size: int
    place: int
    kind: SignalKind = SignalKind.LOGPROBS


@dataclass(frozen=True, slots=True)
class NotScored:
    """No confidence can be had, and why. It is never taken for certainty."""

    why: str


Signal = Confidence | ClaimedConfidence | NotScored


class FieldResult(NamedTuple):
    """One field's outcome. `value` None is unknown. `written` is what stood in the text, when it was extracted.

    `probability` is that the label is right, of a calibrated signal.
    """

    value: Any
    signal: Signal | None = None
    written: str | None = None
    probability: float | None = None


class Doubt(StrEnum):
    """Why a message is escalated although the model answered."""

    LOW_CONFIDENCE = "low_confidence"
    NOT_SCORED = "not_scored"
    NOT_CALIBRATED = "not_calibrated"  # scored, but by a model or signal that the promise's calibration is not of
    UNKNOWN = "unknown"  # a required field is unknown
    NOT_GROUNDED = "not_grounded"  # an extracted value does not stand in the text
    NOT_A_VALUE = "not_a_value"  # an extracted value is not of its type, or breaks its pattern
    CHECK_FAILED = "check_failed"
    INVALID_ANSWER = "invalid_answer"  # the answer for a field breaks the reply's rules, also after it was asked anew
    PROMISE_IN_DOUBT = "promise_in_doubt"  # audits or scores say that the task's promise may be broken
    HELD_BACK = "held_back"  # an operator wants nothing labelled
    UNANSWERED = "unanswered"  # no answer came while thousands after it were answered


class Refusal(StrEnum):
    """Why a message is dead: it can never be triaged as it is."""

    UNDECODABLE = "undecodable"  # not UTF-8, or not JSON
    EMPTY = "empty"  # a null or empty value
    TOO_LARGE = "too_large"
    NO_TEXT = "no_text"  # the mapped text is missing, not a string, or blank
    CONTENT_REFUSED = "content_refused"  # the model or its provider refuses this text
    NO_VALID_ANSWER = "no_valid_answer"  # still none after it was asked alone
    EVENT_TOO_LARGE = "event_too_large"  # the outcome itself cannot be published


@dataclass(frozen=True, slots=True)
class Reason:
    """One doubt about one field (or about the whole event), with a short detail that quotes no message text."""

    doubt: Doubt
    field: str | None
    detail: str = ""


Fields = Mapping[str, FieldResult]


@dataclass(frozen=True, slots=True)
class Assurance:
    """How far the promised labels of a message can be believed, together.

    `score` ranks messages of one signal; `probability` is that all these labels are right, by the named calibration. None is
    not scored, or not calibrated.
    """

    score: float | None = None
    probability: float | None = None
    signal: SignalKind | None = None
    calibration: str | None = None


class Labelled(NamedTuple):
    """Every required field is known, checked, and accepted by the task's rule. `assurance` is there under a promise."""

    fields: Fields
    assurance: Assurance | None = None


@dataclass(frozen=True, slots=True)
class Escalated:
    """Answered, but not to be trusted: the best answer travels with the reasons."""

    fields: Fields
    reasons: tuple[Reason, ...]
    assurance: Assurance | None = None

    def __post_init__(self) -> None:
        if not self.reasons:
            raise ValueError("an escalation needs a reason")


@dataclass(frozen=True, slots=True)
class Rejected:
    """Dead: published with the original bytes."""

    refusal: Refusal
    detail: str = ""


Verdict = Labelled | Escalated | Rejected
