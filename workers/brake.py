"""The dead-letter brake: when too much dies, the fault is ours, not the messages'. Pure.

A wrong deploy or a changed producer would otherwise turn a whole stream into dead letters. The brake watches each partition's
outcomes; a long run of dead letters, or a high share of them among the last outcomes, stops the line. What trips it is not
published: it stays owed and is read again after the restart. The idea is Arroyo's `DlqLimit`.
"""

from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class BrakeLimits:
    """Stop at `run` dead letters in a row, or when more than `share` of the last `window` outcomes are dead."""

    run: int = 200
    share: float = 0.5
    window: int = 1_000


@dataclass(slots=True)
class _Counts:
    outcomes: int = 0
    run: int = 0
    dead: deque[int] = field(default_factory=deque)  # which of the last outcomes were dead letters


class Brake:
    """One line's brake, counting per partition."""

    def __init__(self, limits: BrakeLimits) -> None:
        self._limits = limits
        self._counts: dict[Hashable, _Counts] = {}
        self._why: str | None = None

    def answered(self, partition: Hashable) -> None:
        """Count an outcome that is no dead letter."""
        counts = self._counts_of(partition)
        counts.outcomes += 1
        counts.run = 0

    def dead(self, partition: Hashable) -> str | None:
        """Count a dead letter. Return why the line must stop before it is published, or None; once tripped it stays so."""
        if self._why is not None:
            return self._why
        counts = self._counts_of(partition)
        counts.outcomes += 1
        counts.run += 1
        counts.dead.append(counts.outcomes)
        while counts.dead[0] <= counts.outcomes - self._limits.window:
            counts.dead.popleft()
        dead = len(counts.dead)
        if counts.run > self._limits.run:
            self._why = f"{self._limits.run} messages of {partition} in a row are dead letters"
        elif dead > self._limits.share * self._limits.window:  # so it will be once the window is full
            self._why = f"{dead} of the last {self._limits.window} messages of {partition} are dead letters"
        if self._why is not None:
            self._why += ": mend the task or the producer and restart, or raise the limits under `brake`"
        return self._why

    def _counts_of(self, partition: Hashable) -> _Counts:
        counts = self._counts.get(partition)
        if counts is None:
            counts = self._counts[partition] = _Counts()
        return counts
