"""What to do after an answer or a fault: the one retry policy, pure.

A batch of n items costs at most 2n-1 calls, whatever comes back (2 for n = 1): an answer that leaves m < n items unread
is followed by one call about these m; one that reads none, by two halves; T(n) <= 1 + T(m) and T(n) <= 1 + T(n/2) + T(n/2)
both give 2n-1 (an answer that canaries void costs one call more, and n parts of one). Waiting for a provider is not bounded:
an outage is no message's fault, and lag is its signal.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar, assert_never

from schemas.verdict import Refusal
from workers.asking.model import Barred, Broken, Fault, Refused, TooBig, Trouble, TryAgain
from workers.patience import Patience

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


def after_fault(fault: Fault, size: int, tries: int, jitter: float, patience: Patience) -> Next:
    """Return what to do about a part of `size` items after its `tries`-th fault.

    After a refusal for limits it joins the queue again at once: the limiter holds everybody's calls back.
    """
    match fault:
        case TryAgain(trouble=Trouble.LIMIT | Trouble.SLOW_DOWN):
            return Wait(0.0)
        case TryAgain(after_seconds=asked):
            return Wait(patience.wait_seconds(asked, tries, jitter))
        case Barred(why=why):
            return Stop(why)
        case TooBig(why=why):
            return Halve() if size > 1 else GiveUp(Refusal.TOO_LARGE, f"too long for the model: {why}")
        case Refused(why=why):
            return Halve() if size > 1 else GiveUp(Refusal.CONTENT_REFUSED, why)
        case Broken(why=why):
            return Halve() if size > 1 else GiveUp(Refusal.NO_VALID_ANSWER, why)
        case _:
            assert_never(fault)


def after_reading(unread: Sequence[T], asked: int, tries: int) -> list[Sequence[T]]:
    """Return the parts to ask next for the items an answer left unread; an empty list gives them up.

    `asked` items were in this part, and each of them was asked `tries` times before.
    """
    if not unread:
        return []
    if len(unread) < asked:
        return [unread]
    if asked > 1:
        return halves(unread)
    return [unread] if tries == 0 else []


def halves(items: Sequence[T]) -> list[Sequence[T]]:
    middle = (len(items) + 1) // 2
    return [items[:middle], items[middle:]]
