"""What to do after an answer or a fault: the one retry policy, pure.

A batch of n items costs at most 2n-1 calls, whatever comes back (2 for n = 1): an answer that leaves m < n items unread
is followed by one call about these m; one that reads none, by two halves; T(n) <= 1 + T(m) and T(n) <= 1 + T(n/2) + T(n/2)
both give 2n-1. Waiting for a provider is not bounded: an outage is no message's fault, and lag is its signal.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar, assert_never

from schemas.verdict import Refusal
from workers.asking.model import Barred, Broken, Fault, Refused, TooBig, TryAgain

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Wait:
    """Ask the same again after so long."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Halve:
    """Ask each half alone."""


@dataclass(frozen=True, slots=True)
class GiveUp:
    """This one message cannot be answered."""

    refusal: Refusal
    detail: str


@dataclass(frozen=True, slots=True)
class Stop:
    """Nothing can be answered until an operator acts."""

    why: str


Next = Wait | Halve | GiveUp | Stop


@dataclass(frozen=True, slots=True)
class Patience:
    """Back-off for provider faults: doubled from `first_seconds` to `most_seconds`, which also bounds Retry-After."""

    first_seconds: float = 0.5
    most_seconds: float = 60.0

    def wait_seconds(self, asked_seconds: float | None, tries: int, jitter: float) -> float:
        """Return how long to wait after `tries` failures. `jitter` is uniform in [0, 1): it spreads a fleet's retries."""
        backoff = min(self.most_seconds, self.first_seconds * float(1 << min(tries - 1, 30))) * (0.5 + jitter / 2)
        return min(self.most_seconds, max(asked_seconds or 0.0, backoff))


def after_fault(fault: Fault, size: int, tries: int, jitter: float, patience: Patience) -> Next:
    """Return what to do about a part of `size` items after its `tries`-th fault."""
    match fault:
        case TryAgain(after_seconds=asked):
            return Wait(patience.wait_seconds(asked, tries, jitter))
        case Barred(why=why):
            return Stop(why)
        case TooBig(why=why):
            return Halve() if size > 1 else GiveUp(Refusal.TOO_LARGE, why)
        case Refused(why=why):
            return Halve() if size > 1 else GiveUp(Refusal.CONTENT_REFUSED, why)
        case Broken(why=why):
            return Halve() if size > 1 else GiveUp(Refusal.NO_VALID_ANSWER, why)
        case _:
            assert_never(fault)


def after_reading(unread: Sequence[T], asked: int, batch_size: int, tries: int) -> list[Sequence[T]]:
    """Return the parts to ask next for the items an answer left unread; an empty list gives them up.

    `asked` items were in this part, `batch_size` in the batch it came from, and it was asked `tries` times before.
    """
    if not unread:
        return []
    if len(unread) < asked:
        return [unread]
    if asked > 1:
        return halves(unread)
    return [unread] if batch_size == 1 and tries == 0 else []


def halves(items: Sequence[T]) -> list[Sequence[T]]:
    middle = (len(items) + 1) // 2
    return [items[:middle], items[middle:]]
