"""The operator's picture: what is wanted, and who runs what. Pure; time is an argument."""

from collections.abc import Mapping
from dataclasses import dataclass

from schemas.control import EVERY_TASK, Control, ControlAck, Unreadable, ack_of, control_of
from topics.record import Record
from workers.controlling.following import BEAT_SECONDS
from workers.controlling.topics import ControlTopics

GONE_MS = 3_000 * BEAT_SECONDS
"""Who gave no sign of life for so long is gone."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a control has come: workers that run it (and milliseconds it took), will not, or have not said."""

    running: Mapping[str, int]
    refused: Mapping[str, str]
    silent: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Seen:
    """What a worker last said, and when (milliseconds since the epoch)."""

    ack: ControlAck
    at_ms: int


class Picture:
    """What the topics of controls say by now."""

    def __init__(self, topics: ControlTopics) -> None:
        self._topics = topics
        self._versions: dict[str, int] = {}
        self._published: dict[tuple[str, int], int] = {}
        self._reached: dict[tuple[str, str, int], int] = {}  # when a worker first said that it runs a version
        self.wanted: dict[str, Control | Unreadable] = {}
        self.seen: dict[str, Seen] = {}

    def take(self, record: Record) -> None:
        """Take a record of any of the topics."""
        match record.partition.topic:
            case self._topics.acks:
                self._take_ack(record)
            case self._topics.wanted if record.value is None:
                self.wanted.pop(_name(record), None)
            case self._topics.wanted:
                control = control_of(record.key, record.value or b"")
                self.wanted[_name(record)] = control
                self._know(control)
                if not isinstance(control, Unreadable):
                    self._published[control.task, control.version] = record.timestamp_ms
            case _:
                self._know(control_of(record.key, record.value or b""))

    def next_version(self, task: str) -> int:
        """Return the version of the next control: above all that were ever published or run."""
        return self._versions.get(task, 0) + 1

    def live(self, now_ms: int) -> dict[str, Seen]:
        """Return the workers that are there."""
        return {name: seen for name, seen in sorted(self.seen.items()) if now_ms - seen.at_ms < GONE_MS}

    def keys(self, now_ms: int) -> list[str]:
        """Return every key that is wanted something of, or that a worker has; `*` first."""
        return sorted(self.wanted.keys() | {task for seen in self.live(now_ms).values() for task in seen.ack.runs})

    def apart(self, now_ms: int) -> list[tuple[str, str]]:
        """Return the workers, with the key, that run another version than what is wanted."""
        wanted = {task: one.version for task, one in self.wanted.items() if not isinstance(one, Unreadable)}
        broken = {task for task, one in self.wanted.items() if isinstance(one, Unreadable)}
        return [
            (name, task)
            for name, seen in self.live(now_ms).items()
            for task, run in seen.ack.runs.items()
            if run.version != wanted.get(task, 0) or task in broken
        ]

    def whole_pause(self) -> Control | None:
        """Return the control that pauses every task, if there is one."""
        every = self.wanted.get(EVERY_TASK)
        return None if every is None or isinstance(every, Unreadable) or not every.paused else every

    def progress(self, control: Control, elapsed_ms: int) -> Progress | None:
        """Return who of those it concerns does what a control wants, so long after it was published; None before it is seen.

        All times are those of the records, so nobody's own clock matters.
        """
        at_ms = self._published.get((control.task, control.version))
        if at_ms is None:
            return None
        running, refused, silent = {}, {}, []
        for name, seen in self.live(at_ms + elapsed_ms).items():
            run = seen.ack.runs.get(control.task)
            if run is None:
                continue
            if run.version >= control.version:
                running[name] = max(0, self._reached[name, control.task, run.version] - at_ms)
            elif run.refused is not None and run.refused.version == control.version:
                refused[name] = run.refused.why
            else:
                silent.append(name)
        return Progress(running, refused, tuple(silent))

    def _take_ack(self, record: Record) -> None:
        ack = ack_of(record.value)
        if ack is None:
            self.seen.pop(_name(record), None)  # it ended
            return
        self.seen[ack.worker] = Seen(ack, record.timestamp_ms)
        for task, run in ack.runs.items():
            self._reached.setdefault((ack.worker, task, run.version), record.timestamp_ms)
            self._versions[task] = max(self._versions.get(task, 0), run.version)

    def _know(self, control: Control | Unreadable) -> None:
        if not isinstance(control, Unreadable):
            self._versions[control.task] = max(self._versions.get(control.task, 0), control.version)


def _name(record: Record) -> str:
    return (record.key or b"").decode(errors="replace")
