"""Scores: counts, and what follows from them. A share of nothing is None, never zero."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt

_Z = 1.959964  # the normal distribution's 97.5 % point, for intervals of 95 %


@dataclass(frozen=True, slots=True)
class Share:
    """So many `hits` of so many cases."""

    hits: int
    of: int

    @property
    def value(self) -> float | None:
        return self.hits / self.of if self.of else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """The Wilson score interval of 95 %: how far the true share may be from the one seen."""
        if not self.of:
            return None
        share, n, z2 = self.hits / self.of, self.of, _Z * _Z
        middle = (share + z2 / (2 * n)) / (1 + z2 / n)
        reach = _Z / (1 + z2 / n) * sqrt(share * (1 - share) / n + z2 / (4 * n * n))
        return max(0.0, middle - reach), min(1.0, middle + reach)


@dataclass(frozen=True, slots=True)
class ClassScore:
    """One label: `support` gold labels, `answered` answers with it, `right` of them."""

    label: str
    support: int
    answered: int
    right: int

    @property
    def precision(self) -> float | None:
        return Share(self.right, self.answered).value

    @property
    def recall(self) -> float | None:
        return Share(self.right, self.support).value

    @property
    def f1(self) -> float:
        """The harmonic mean of precision and recall; a class occurs in gold or in answers, so it is never of nothing."""
        return 2 * self.right / (self.support + self.answered)


@dataclass(frozen=True, slots=True)
class LabelScore:
    """One label field. `labelled` counts events on the labelled topics, `answered` escalated ones too.

    The classes are those that occur in gold or in answers; `unknown` is one like any other.
    """

    labelled: Share
    answered: Share
    classes: tuple[ClassScore, ...]

    @property
    def macro_f1(self) -> float | None:
        """The mean F1 of the classes that gold has, each counting the same, over all answered messages."""
        known = [one.f1 for one in self.classes if one.support]
        return sum(known) / len(known) if known else None


@dataclass(frozen=True, slots=True)
class Matches:
    """Extracted values: `gold` ones there are, `found` ones published, `right` ones equal.

    `same` of `of` messages agree, also where both sides have none. `overlap` is the sum over the gold values of the F1 of
    their words (Rajpurkar et al. 2016): what a partial match is worth.
    """

    gold: int
    found: int
    right: int
    same: int
    of: int
    overlap: float

    @property
    def partial(self) -> float | None:
        return self.overlap / self.gold if self.gold else None

    @property
    def precision(self) -> float | None:
        return Share(self.right, self.found).value

    @property
    def recall(self) -> float | None:
        return Share(self.right, self.gold).value


@dataclass(frozen=True, slots=True)
class ExtractScore:
    """One extracted field, over the labelled events and over all answered ones."""

    labelled: Matches
    answered: Matches


@dataclass(frozen=True, slots=True)
class GroupScore:
    """The error promised of one group's labelled messages, and how many are wrong."""

    error: float
    wrong: Share


@dataclass(frozen=True, slots=True)
class PromiseScore:
    """A promise beside what happened: `wrong` of the labelled messages, and how far the probabilities were off.

    `groups` says the same by label, for labels with an error of their own, and of the rest: each is promised for itself.
    `unknown` is the share promised of messages for which unknown is the right answer, None without such a promise, and
    `unknowns` is what was labelled of these. `rehearsed` says that the calibration was made from these very gold labels, so
    that nothing is proved.
    """

    error: float
    confidence: float
    wrong: Share
    groups: Mapping[str, GroupScore]
    unknown: float | None
    unknowns: Share
    calibration_error: float | None
    brier: float | None
    rehearsed: bool

    @property
    def kept(self) -> bool | None:
        if self.wrong.value is None:
            return None
        shares = [(one.error, one.wrong) for one in self.groups.values()]
        shares += [] if self.unknown is None else [(self.unknown, self.unknowns)]
        return all((share.value or 0.0) <= promised for promised, share in shares)


@dataclass(frozen=True, slots=True)
class Report:
    """A task's outcomes measured. `escalated` and `dead` count events by their first reason; `without_gold` were not scored."""

    task: str
    records: int
    labelled: int
    escalated: Mapping[str, int]
    dead: Mapping[str, int]
    without_gold: int
    labels: Mapping[str, LabelScore]
    extracts: Mapping[str, ExtractScore]
    promise: PromiseScore | None = None

    @property
    def coverage(self) -> float | None:
        """The share of all records that was labelled."""
        return Share(self.labelled, self.records).value
