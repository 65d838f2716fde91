"""When traffic is looked at, and which earlier traffic it is compared with. Pure.

Time is cut into slots, and a slot's name is its place in the season: with a season of a day, ten to eleven is compared with ten
to eleven of earlier days, so that night is not mistaken for a drift of day. Times are UTC.
"""

from dataclasses import dataclass
from typing import Literal, assert_never

Season = Literal["none", "day", "week"]
_DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Rule:
    """What is asked of a change before it is called one. Times are milliseconds."""

    look_ms: int  # traffic is looked at so often
    slot_ms: int  # a multiple of it
    season: Season
    quiet_ms: int  # one false alarm of a task in so much time at most
    adopt_ms: int  # an alert that has lasted so long is what comes from now on
    stability: float = 0.25  # least population stability index
    times: float = 2.0  # least rise of a share
    points: float = 0.005  # least difference of a share that has risen
    burst: float = 3.0  # least rise of a cost
    least: int = 30  # messages of a slot, below which it is no baseline

    @property
    def names(self) -> int:
        """Return how many slots a season has."""
        match self.season:
            case "none":
                return 1
            case "day":
                return max(1, _DAY_MS // self.slot_ms)
            case "week":
                return max(1, 7 * _DAY_MS // self.slot_ms)
            case unsaid:
                assert_never(unsaid)

    @property
    def kept(self) -> int:
        """Return how many slots of a name are compared with at most: a day's, a week's or a month's."""
        match self.season:
            case "none":
                return max(1, _DAY_MS // self.slot_ms)
            case "day":
                return 7
            case "week":
                return 4
            case unsaid:
                assert_never(unsaid)

    @property
    def late_ms(self) -> int:
        """Return for how long a look waits for what committed in its time and comes later."""
        return self.look_ms // 5

    def look_of(self, at_ms: int) -> int:
        """Return where the look begins."""
        return at_ms // self.look_ms * self.look_ms

    def slot_of(self, at_ms: int) -> int:
        """Return where the slot begins."""
        return at_ms // self.slot_ms * self.slot_ms

    def name_of(self, at_ms: int) -> int:
        return at_ms // self.slot_ms % self.names
