"""What became of an admitted call, as far as limits are concerned. Values only."""

from dataclasses import dataclass

from workers.allowance import UNTOLD, Allowances


@dataclass(frozen=True, slots=True)
class Limited:
    """The provider refused for its limits; `slow_down` when for the speed at which the load grows."""

    after_seconds: float | None
    slow_down: bool = False
    allowances: Allowances = UNTOLD


@dataclass(frozen=True, slots=True)
class Answered:
    """The provider worked. `tokens` is what it counted, input and output; None when it did not say.

    `seconds` is how long it took; None where that tells nothing of other calls. `limited` is a refusal of some of its requests,
    where there were several.
    """

    tokens: int | None
    allowances: Allowances = UNTOLD
    seconds: float | None = None
    limited: Limited | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """The provider could not answer: time-out, outage, connection. It may have said for how long."""

    after_seconds: float | None = None
    allowances: Allowances = UNTOLD


@dataclass(frozen=True, slots=True)
class Abandoned:
    """Nobody waited for the answer; it may have been counted."""


@dataclass(frozen=True, slots=True)
class Unused:
    """No call was made: everything reserved is given back."""


Outcome = Answered | Limited | Failed | Abandoned | Unused
