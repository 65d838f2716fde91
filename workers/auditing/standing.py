"""Standing: how a promise stands, as values."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """What audits and scores say of a promise."""

    UNAUDITED = "unaudited"  # no finding yet: nothing is known but the calibration
    KEPT = "kept"  # findings, and no evidence against it
    IN_DOUBT = "in_doubt"  # the traffic is no longer like the calibration's examples
    BROKEN = "broken"  # findings contradict it


@dataclass(frozen=True, slots=True)
class Alarm:
    """Why the promise is not to be trusted any more: one sentence without its full stop."""

    status: Status
    why: str


@dataclass(frozen=True, slots=True)
class Judged:
    """What findings say of one field, or of all promised labels together (`*`).

    `least` bounds the precision from below, at all times at once. `calibration_error` and `brier` are of the last findings
    with a probability, None without any.
    """

    right: int
    wrong: int
    least: float
    calibration_error: float | None
    brier: float | None

    @property
    def precision(self) -> float:
        return self.right / (self.right + self.wrong)


@dataclass(frozen=True, slots=True)
class Standing:
    """How a task's labels stand. `status` is None without a promise; `held` is that an alarm holds labels back.

    `error_evidence` and `shift_evidence` are 1 at first; an alarm needs `enough`. `shift` is the size of the scores' shift.
    """

    status: Status | None
    alarm: Alarm | None
    held: bool
    judged: Mapping[str, Judged]
    error_evidence: float
    shift_evidence: float | None
    shift: float | None
    enough: float
