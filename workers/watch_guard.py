"""Watching the guard: what asking again, canaries and suspicion found, as metrics and log lines. No text is among them."""

from collections.abc import Mapping
from typing import Literal

from schemas.fields import UNKNOWN
from workers.guarding.sampling import Outcome, band_of
from workers.guarding.suspicion import Suspicion
from workers.guarding.trust import Trust
from workers.logs import bind
from workers.metrics import TaskMetrics

_LOG = bind("nanotriage.guard")


class GuardWatch:
    """Says it once when batches get smaller or larger because of what labels depend on."""

    def __init__(self, tasks: Mapping[str, TaskMetrics]) -> None:
        self._tasks = tasks
        self._trusted: dict[str, int] = {}

    def compared(self, task: str, how: Literal["alone", "shuffled"], outcome: Outcome, place: int) -> None:
        """Count a message that was asked again; `place` counts from 0."""
        self._tasks[task].guard.compared(how, outcome.value, band_of(place))

    def compared_label(self, task: str, field: str, label: str | None, bound: float, *, flipped: bool) -> None:
        """Count a label of a message that was asked again alone; `bound` is what the rate of its flips does not exceed."""
        self._tasks[task].guard.label(field, label or UNKNOWN, bound, flipped=flipped)

    def place_bound(self, task: str, place: int, bound: float) -> None:
        """Say what the rate of flips does not exceed at places like this one, counted from 0."""
        self._tasks[task].guard.place_bound(band_of(place), bound)

    def isolated(self, task: str, why: Suspicion) -> None:
        """Count a message that shares no call because of its text."""
        self._tasks[task].guard.isolated(why.value)

    def canaries(self, task: str, *, sound: bool) -> None:
        """Count an answered call in which canaries stood."""
        self._tasks[task].guard.canaries("kept" if sound else "void")
        if not sound:
            _LOG.warning(
                "answer_void", task=task, why="a canary has a wrong answer", next="everybody in it is asked about alone"
            )

    def canaries_known(self, task: str, count: int, *, ready: bool) -> None:
        """Say whether there are canaries."""
        if ready:
            _LOG.info("canaries_ready", task=task, count=count)
        else:
            why = "the model answers too few of the label descriptions with their label"
            _LOG.warning("no_canaries", task=task, why=why, next="suspicious messages are asked about alone")

    def flips(self, task: str, trust: Trust) -> None:
        """Say what is known of how labels depend on the company."""
        for size in trust.known():
            self._tasks[task].guard.flips(size.items, size.rate, size.bound)

    def trusts(self, task: str, trust: Trust) -> None:
        """Say how many messages may share a call, where that changed."""
        before = self._trusted.get(task)
        if before == trust.items:
            return
        self._trusted[task] = trust.items
        self._tasks[task].guard.trusted(trust.items)
        if before is None:
            return
        if trust.items < before:
            _LOG.warning("batches_smaller", task=task, items=trust.items, why="labels depend on the messages in the same call")
        else:
            _LOG.info("batches_larger", task=task, items=trust.items, why="labels do not depend on the company by now")
