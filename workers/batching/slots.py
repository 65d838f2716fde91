"""The call slots of one model, shared by weight among the tasks that ask it. Pure: it wakes, and awaits nothing.

Each claimant says when it has a batch that could go. A free slot belongs to the one that is furthest behind its share of the
calls (`shares`), so a flood of one task keeps another's lone batch waiting for one call to end, not for its backlog.
"""

from collections.abc import Callable, Mapping

from workers.batching.shares import Shares


class Slots:
    """So many calls at once, for claimants of these weights."""

    def __init__(self, count: int, weights: Mapping[str, float]) -> None:
        self._free = count
        self._shares = Shares(weights)
        self._claims: dict[str, Callable[[], None]] = {}

    def claim(self, name: str, wake: Callable[[], None]) -> bool:
        """Return whether a slot is free and this claimant's turn; if not, it is woken when that may have changed."""
        self._claims[name] = wake
        return self._free > 0 and self._shares.next(self._claims) == name

    def disclaim(self, name: str) -> None:
        """Have nothing to ask; whoever is next may go."""
        if self._claims.pop(name, None) is not None:
            self._wake_next()

    def take(self, name: str) -> None:
        """Take the slot that was claimed. Each take owes one `free`."""
        self._free -= 1
        self._shares.charge(name, 1.0)
        self.disclaim(name)

    def take_back(self) -> None:
        """Take a slot that was given up for a while, even if none is free now: the next ones to end make up for it."""
        self._free -= 1

    def free(self) -> None:
        """Give a slot back."""
        self._free += 1
        self._wake_next()

    def _wake_next(self) -> None:
        if self._free > 0 and self._claims:
            self._claims[self._shares.next(self._claims)]()
