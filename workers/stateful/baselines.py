"""What earlier traffic was like, slot by slot. Values and their bytes; pure.

A baseline holds the newest slots of one name (`workers.stateful.seasons`) of a tenant's and a model's traffic. A slot in which
an alert was on is kept, but not compared with by what the alert was about: a shift must not become its own baseline.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson

from workers.promising.two_samples import Counts
from workers.stateful.comparing import Spending, Subject, samples
from workers.summing import Row, added


class Series(NamedTuple):
    """Whose traffic. A model of None is all of them: only costs are added up over models."""

    task: str
    tenant: str | None
    model: str | None


class Slot(NamedTuple):
    """One slot: when it began, its sums or what its looks cost, and the subjects that leave it out."""

    at_ms: int
    sums: Row
    spending: dict[str, Spending]
    out: list[str]


@dataclass(frozen=True, slots=True)
class Baseline:
    """Slots of one name, the oldest first."""

    slots: tuple[Slot, ...] = ()

    @classmethod
    def read(cls, value: bytes | None) -> "Baseline":
        if value is None:
            return cls()
        rows: list[list[Any]] = orjson.loads(value)["slots"]
        return cls(tuple(Slot(at, sums, {u: Spending(*s) for u, s in spent.items()}, out) for at, sums, spent, out in rows))

    def value(self) -> bytes:
        rows = [[s.at_ms, s.sums, {unit: list(one) for unit, one in s.spending.items()}, s.out] for s in self.slots]
        return orjson.dumps({"v": 1, "slots": rows})

    def plus(self, slot: Slot, kept: int) -> "Baseline":
        """Return it with one more slot; itself when it has that already."""
        if self.slots and slot.at_ms <= self.slots[-1].at_ms:
            return self
        return Baseline((*self.slots, slot)[-kept:])

    def trusted(self, subject: Subject, from_ms: int) -> tuple[Slot, ...]:
        """Return the slots that the subject is compared with."""
        return tuple(slot for slot in self.slots if slot.at_ms >= from_ms and str(subject) not in slot.out)


def counts_of(slots: tuple[Slot, ...], subject: Subject) -> Counts:
    """Return the subject's counts in all the slots."""
    total: Row = {}
    for slot in slots:
        total = added(total, dict(samples(slot.sums).get(subject, {})))
    return total


def spending_of(slots: tuple[Slot, ...], unit: str) -> Spending:
    """Return what the looks of all the slots cost, in the unit."""
    total = Spending()
    for slot in slots:
        total = total.plus(slot.spending.get(unit, Spending()))
    return total
