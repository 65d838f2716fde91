"""Wiring of the controls: what an operator publishes becomes what lines do."""

import secrets
import socket
import time
from collections.abc import Callable, Sequence

from topics.log import Log
from workers.controlling.board import Board
from workers.controlling.following import LOOK_SECONDS, Controls
from workers.controlling.topics import ControlTopics
from workers.line import Line
from workers.setting_sections import Settings
from workers.steering import Steering
from workers.watch import Watch


def build_controls(
    log: Log,
    lines: Sequence[Line],
    settings: Settings,
    watch: Watch,
    clock: Callable[[], float] = time.monotonic,
    look_seconds: float = LOOK_SECONDS,
) -> Controls | None:
    """Return what follows the controls and has the lines do what they want; None without a topic for them."""
    if settings.controls.topic is None:
        return None
    steering = Steering(lines, watch.controls)
    board = Board([line.task.name for line in lines], steering.why_not)
    topics = ControlTopics.of(settings.controls.topic)
    return Controls(log, topics, worker_name(), board, lambda: steering.apply(board), clock, look_seconds)


def worker_name() -> str:
    """Return a name for this process that tells an operator where it is, and that no other one has."""
    return f"{socket.gethostname()}-{secrets.token_hex(3)}"


def operator_name(settings: Settings) -> str:
    """Return the transactional id under which controls are changed: who opens it last wins, and nobody else writes."""
    return f"{settings.kafka.app}.control.{settings.controls.topic}"
