"""Steering: the lines do what the controls want. Applied between two steps of the event loop, so never half done."""

from collections.abc import Sequence

from workers.controlling.board import Board
from workers.line import Line
from workers.watch_controls import ControlWatch


class Steering:
    """Of a worker's lines."""

    def __init__(self, lines: Sequence[Line], watch: ControlWatch) -> None:
        self._lines = lines
        self._watch = watch

    def apply(self, board: Board) -> None:
        """Have everything as the board says."""
        for key, standing in board.standings.items():
            self._watch.stands(key, standing.control, standing.refused)
        for line in self._lines:
            line.hold.why = board.paused(line.task.name)
            self._watch.held(line.task.name, line.task.source.topic, line.hold.why)
