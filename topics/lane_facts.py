"""What can be said of a lane: its delivery, its rules, its states, and the facts it tells for metrics and logs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from topics.ledger import Order
from topics.record import Outgoing, Partition


class LaneState(StrEnum):
    """What a lane promises."""

    ACTIVATING = "activating"  # reads and publishes nothing
    ACTIVE = "active"  # reads, publishes, commits
    REPLACING = "replacing"  # publishes nothing until it knows what was committed
    QUARANTINED = "quarantined"  # what is done cannot be known; only an operator resumes it
    REFUSED = "refused"  # the broker refuses us; only an operator resumes it
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class ExactlyOnce:
    """Events and position commit in one transaction, under a transactional id of the input partition."""


@dataclass(frozen=True, slots=True)
class AtLeastOnce:
    """Events are published and acknowledged first, then the position is committed as a member of the group.

    Needs no transactions. What was published after the last commit before a crash, a lost partition or a commit in doubt
    is published again: one burst of each lane at most, and what a late offset commit of the same member takes back.
    """


Delivery = ExactlyOnce | AtLeastOnce


@dataclass(frozen=True, slots=True)
class LaneRules:
    """How every lane of a worker works. `shrink` makes an event publishable that the log calls too large."""

    group: str
    app: str
    order: Order
    shrink: Callable[[Outgoing], Outgoing]
    delivery: Delivery = ExactlyOnce()
    commit_seconds: float = 0.2
    idle_seconds: float = 5.0  # so long after its last commit a lane that owes nothing commits how far it has read
    burst_records: int = 2_000
    summarise: Callable[[Partition, Sequence[object]], Sequence[Outgoing]] | None = None  # one more record for each commit
    retry_seconds: float = 0.5
    fenced_seconds: float = 1.0
    refused_seconds: float = 10.0
    close_seconds: float = 3.0

    def transactional_id(self, partition: Partition) -> str:
        return transactional_id(self.app, self.group, partition)


def transactional_id(app: str, group: str, partition: Partition) -> str:
    """Return the one id under which a partition's events are written: whoever opens it last fences the others."""
    return f"{app}.{group}.{partition.topic}.{partition.number}"


class CommitResult(StrEnum):
    """How a commit ended, as far as this lane knows."""

    COMMITTED = "committed"
    REPLACED = "replaced"
    FENCED = "fenced"


@dataclass(frozen=True, slots=True)
class Committing:
    """A fact for metrics and logs: one commit, its records and how long it took."""

    partition: Partition
    result: CommitResult
    records: int
    seconds: float


@dataclass(frozen=True, slots=True)
class StateChange:
    """A fact for metrics and logs: a lane's new state, and why if it is not a good one."""

    partition: Partition
    state: LaneState
    why: str = ""


LaneFact = Committing | StateChange
