"""The batch size at which a call slot gets most messages done, found by trying. Pure.

Where no limit of the provider binds, what is scarce is the time of the slots. Larger batches pay the static part less often,
so the search starts at the largest size and keeps a size as long as a smaller one is not clearly faster: some local models
slow down more than a batch grows. Now and then it tries the next size up or down, for one round of calls, and moves if that
was better; after each try in vain it waits twice as long, and long enough that tries cost less than a hundredth of the calls.
Only full batches count, because others say nothing of the slots, and only while the number of calls at once rests: both change
how long a call takes, and two trials at a time would be taken for one another.
"""

from dataclasses import dataclass
from math import ceil

_ROUND_CALLS = 24
_FIRST_REST, _LONGEST_REST = 4, 256
_SMALLER_MUST_GAIN, _LARGER_MAY_LOSE = 1.05, 0.98
_MOST_LOST = 0.01


@dataclass(slots=True)
class _Round:
    calls: int = 0
    seconds: float = 0.0


class Climb:
    """A hill climb over the sizes 1, 2, 4 and so on up to `most`. Rests are counted in rounds of calls."""

    def __init__(self, most: int) -> None:
        self._sizes = [size for size in (1 << power for power in range(16)) if size < most] + [most]
        self._home = self._at = len(self._sizes) - 1
        self._home_speed = 0.0
        self._up = False
        self._rest = _FIRST_REST
        self._next_rest = _FIRST_REST
        self._round = _Round()

    @property
    def size(self) -> int:
        """How many messages a batch should hold now."""
        return self._sizes[self._at]

    def answered(self, items: int, seconds: float, *, steady: bool = True) -> None:
        """Take note of an answered call; not `steady`, another number of calls at once is tried just now."""
        if not steady:
            self._at, self._round = self._home, _Round()
        if items != self.size or len(self._sizes) == 1 or not steady:
            return
        self._round.calls += 1
        self._round.seconds += seconds
        if self._round.calls == _ROUND_CALLS:
            speed = items * _ROUND_CALLS / max(self._round.seconds, 1e-6)
            self._round = _Round()
            if self._at == self._home:
                self._at_home(speed)
            else:
                self._tried(speed)

    def _at_home(self, speed: float) -> None:
        self._home_speed = speed
        self._rest -= 1
        if self._rest <= 0:
            step = 1 if self._up else -1
            if not 0 <= self._home + step < len(self._sizes):
                step, self._up = -step, not self._up
            self._at = self._home + step

    def _tried(self, speed: float) -> None:
        must = _LARGER_MAY_LOSE if self._at > self._home else _SMALLER_MUST_GAIN
        if speed >= must * self._home_speed:
            self._home = self._at
            self._rest, self._next_rest = 1, _FIRST_REST  # on in the same direction
        else:
            self._at = self._home
            self._up = not self._up
            lost = max(0.0, self._home_speed / speed - 1.0)
            self._next_rest = min(_LONGEST_REST, max(2 * self._next_rest, ceil(lost / _MOST_LOST)))
            self._rest = self._next_rest
