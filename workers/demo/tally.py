"""The tally: which inputs were sent, which events came back, and whether each input ended exactly once. Pure."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from schemas.events import EventKind
from topics.record import Headers
from workers.evaluating.inputs import Input
from workers.evaluating.outcome import Event, Origin, read_event


@dataclass(frozen=True, slots=True)
class Sent:
    """An input as the broker took it. `timestamp_ms` is the record's, in milliseconds since the epoch."""

    task: str
    input: Input
    timestamp_ms: int


@dataclass(frozen=True, slots=True)
class Published:
    """A record on an output topic, as a read_committed reader sees it."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers
    timestamp_ms: int


@dataclass(frozen=True, slots=True)
class Seen:
    """An event and the record it came in."""

    event: Event
    record: Published


@dataclass(slots=True)
class Tally:
    """Filled as records are sent and events are read. `alien` counts records that tell of no input of this run."""

    sent: dict[Origin, Sent] = field(default_factory=dict)
    seen: dict[Origin, list[Seen]] = field(default_factory=dict)
    counts: dict[str, Counter[EventKind]] = field(default_factory=dict)
    alien: int = 0

    def send(self, origin: Origin, sent: Sent) -> None:
        self.sent[origin] = sent
        self.counts.setdefault(sent.task, Counter())

    def see(self, record: Published) -> None:
        event = read_event(record.headers, record.value)
        sent = None if event is None else self.sent.get(event.origin)
        if event is None or sent is None:
            self.alien += 1
            return
        self.seen.setdefault(event.origin, []).append(Seen(event, record))
        self.counts[sent.task][event.kind] += 1

    @property
    def events(self) -> int:
        """All events of our inputs, doubled ones too."""
        return sum(counts.total() for counts in self.counts.values())

    @property
    def complete(self) -> bool:
        """Whether every input has an event."""
        return len(self.seen) == len(self.sent)

    @property
    def lost(self) -> int:
        return len(self.sent) - len(self.seen)

    @property
    def doubled(self) -> int:
        """Events beyond the first of their input."""
        return self.events - len(self.seen)

    @property
    def exactly_once(self) -> bool:
        return bool(self.sent) and self.lost == self.doubled == self.alien == 0

    def of_task(self, task: str) -> list[tuple[Origin, Sent, list[Seen]]]:
        """Return the task's inputs with their events, in the order they were sent."""
        return [(origin, sent, self.seen.get(origin, [])) for origin, sent in self.sent.items() if sent.task == task]

    def sent_by_task(self) -> Mapping[str, int]:
        return Counter(sent.task for sent in self.sent.values())
