"""A line: the stages of one task, built by `workers.wiring` and joined by `workers.pipeline`. Values only."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from schemas.message import Message
from schemas.task import Task
from schemas.verdict import Escalated
from topics.codec import Codec
from topics.record import Receipt, Record
from workers.asking.route import Route
from workers.auditing.stage import Auditing
from workers.batching.feeder import Feeder
from workers.batching.sizing import Sizing
from workers.brake import Brake
from workers.calls import Calls
from workers.guarding.firewall import Firewall
from workers.guarding.sampling import Labels, Sample, Sampling
from workers.guarding.trust import Trust
from workers.judging.answers import AnswerReader
from workers.judging.verdicts import Judge
from workers.patience import Patience
from workers.recalling import Recall
from workers.routing import AnsweredBy, Router
from workers.summing import Spent


class Kept(NamedTuple):
    """The last answer about a message that was read but not good enough, and whose: published if nothing better comes."""

    verdict: Escalated
    by: AnsweredBy
    place: int
    attempts: int


class Entry(NamedTuple):
    """A message on its way, with the record it came from and the receipt owed for it.

    `wrong` says what was wrong with its last answer, `kept` is the last one that could be read, `spent` its part of the tokens
    of the answers so far, where commits are summed up, `heard` the window that its message's context was made from.
    """

    message: Message
    record: Record
    receipt: Receipt
    wrong: tuple[str, ...] = ()
    kept: Kept | None = None
    spent: Spent = Spent()
    heard: bytes | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """Entries of one batch to ask about in one call. `tries` counts their answers so far, `faults` those in a row."""

    entries: Sequence[Entry]
    tries: int = 0
    faults: int = 0


@dataclass(slots=True)
class Gate:
    """Open while the model may be asked. Closed by an account's fault, with the reason; every caller waits here."""

    why: str | None = None
    opened: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.opened.set()

    def close(self, why: str) -> bool:
        """Close and return whether it was open."""
        was_open = self.opened.is_set()
        self.why = why
        self.opened.clear()
        return was_open

    def open(self) -> None:
        self.why = None
        self.opened.set()


@dataclass(slots=True)
class Hold:
    """What an operator holds back of a task, and why: its intake, so that nothing more is read, or its labels."""

    intake: str | None = None
    labels: str | None = None


@dataclass(frozen=True, slots=True)
class Invariance:
    """Whether labels depend on the company: how many messages are trusted to share a call, and what waits to be asked again.

    `waiting` is bounded: what finds no room is not asked again.
    """

    trust: Trust
    sampling: Sampling
    waiting: "asyncio.Queue[Sample]"

    def answered(self, messages: Sequence[Message], labels: Sequence[Labels | None], chance: Callable[[], float]) -> None:
        """Put aside what is to be asked again of an answered call; labels are None where there is nothing to compare."""
        self.trust.answered(len(messages))
        for sample in self.sampling.choose(messages, labels, chance):
            if not self.waiting.full():
                self.waiting.put_nowait(sample)


@dataclass(frozen=True, slots=True)
class Line:
    """One task's stages, in the order in which a message meets them."""

    task: Task
    codec: Codec
    sizing: Sizing
    feeder: Feeder[Entry]
    route: Route
    calls: Calls
    patience: Patience
    reader: AnswerReader
    judge: Judge
    repair: bool  # ask once more about answers that break a rule
    router: Router
    gate: Gate
    brake: Brake
    auditing: Auditing | None = None  # of a task with routes for it
    firewall: Firewall | None = None  # None where messages share no call, or nobody wants it
    canaries_wanted: asyncio.Event = field(default_factory=asyncio.Event)
    invariance: Invariance | None = None  # None where messages share no call, or nobody wants to know
    summed: bool = False  # whether commits are summed up
    recall: Recall | None = None  # what is known of conversations, for a task with a context
    hold: Hold = field(default_factory=Hold)

    @property
    def room(self) -> int:
        """How many messages may be read now."""
        return self.feeder.room if self.gate.why is None and self.hold.intake is None else 0

    def recalled(self, part: Part) -> Part:
        """Return the part with what is known now of its messages' conversations; never waits for more to be known."""
        if self.recall is None or part.tries:  # an answer is about what was asked with it
            return part
        return replace(part, entries=[self.hears(entry) for entry in part.entries])

    def hears(self, entry: Entry) -> Entry:
        """Return the entry with what is known now of its conversation."""
        if self.recall is None:
            return entry
        message, heard = self.recall.of(entry.message, entry.record, entry.heard)
        return entry if message is entry.message else entry._replace(message=message, heard=heard)
