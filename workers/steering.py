"""Steering: the lines do what the controls want. Applied between two steps of the event loop, so never half done.

What a control does not say is as the settings have it, and it is applied whole each time, so nothing of an earlier one is left.
"""

from collections.abc import Sequence

from schemas.control import EVERY_TASK, Budget, Control, FleetControl, TaskControl
from workers.batching.window import Limits
from workers.controlling.board import Board
from workers.limiting.quota import Known
from workers.line import Line
from workers.watch_controls import ControlWatch


class Steering:
    """Of a worker's lines."""

    def __init__(self, lines: Sequence[Line], watch: ControlWatch) -> None:
        self._lines = {line.task.name: line for line in lines}
        self._watch = watch

    def why_not(self, control: Control) -> str | None:
        """Return why this worker cannot do what a control wants, None if it can."""
        if not isinstance(control, TaskControl):
            return None
        line, wanted = self._lines[control.task], control.batching
        most = line.sizing.most
        if wanted.max_items is not None and wanted.max_items > most.max_items:
            return f"batches of {wanted.max_items} are larger than the settings allow, {most.max_items}"
        if wanted.max_tokens is not None and wanted.max_tokens > most.max_tokens:
            return f"calls of {wanted.max_tokens} tokens are larger than the settings and the model allow, {most.max_tokens}"
        if wanted.max_tokens is not None and wanted.max_tokens <= line.sizing.static_tokens:
            return f"the prompt alone takes {line.sizing.static_tokens:.0f} tokens: {wanted.max_tokens} leave no room"
        if control.tenants and line.task.source.tenant is None:
            return "the task has no tenants (source.tenant) to share the model among: take weights back with NAME=off"
        if control.tenants and line.task.separate_tenants:
            return "the task keeps its tenants apart, so they take turns by calls: take weights back with NAME=off"
        return None

    def apply(self, board: Board) -> None:
        """Have everything as the board says."""
        for key, standing in board.standings.items():
            self._watch.stands(key, standing.control, standing.refused)
        for name, line in self._lines.items():
            line.hold.intake = board.paused(name)
            self._watch.held(name, line.task.source.topic, line.hold.intake)
            control = board.standings[name].control
            _shape(line, control if isinstance(control, TaskControl) else None)
            self._watch.held_back(name, line.hold.labels)
        fleet = board.standings[EVERY_TASK].control
        budget = fleet.budget if isinstance(fleet, FleetControl) else Budget()
        for limiter in {line.calls.limiter for line in self._lines.values()}:
            limiter.budget(Known(budget.requests_per_minute, budget.tokens_per_minute), budget.part)


def _shape(line: Line, control: TaskControl | None) -> None:
    """Have a line label, pack and share as its control says."""
    most = line.sizing.most
    held = control is not None and control.labels == "escalate"
    line.hold.labels = f"{control.by}: {control.because}" if held and control is not None else None
    wanted = None if control is None else control.batching
    line.sizing.bound(
        Limits(
            (wanted and wanted.max_items) or most.max_items,
            (wanted and wanted.max_tokens) or most.max_tokens,
            most.linger_seconds if wanted is None or wanted.linger_seconds is None else wanted.linger_seconds,
        )
    )
    line.feeder.resize(line.sizing.limits())
    line.feeder.weigh({} if control is None else control.tenants)
