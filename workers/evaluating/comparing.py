"""Comparing two evaluations of the same messages: the exact McNemar test (McNemar 1947, exact by the binomial). Pure.

Only messages that one run has right and the other wrong say anything; if both runs are equally good, such a message falls to
either side like a fair coin.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from workers.evaluating.report import Table, percent
from workers.promising.binomial import at_most

Rights = Mapping[str, Mapping[str, bool]]
"""By field and message id: whether the answer was right."""


@dataclass(frozen=True, slots=True)
class Paired:
    """One field in two runs, over the messages that both answered. `p_value` is two-sided."""

    field: str
    shared: int
    right_before: int
    right_now: int
    only_before: int
    only_now: int

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "p_value": self.p_value, "verdict": self.verdict}

    @property
    def p_value(self) -> float:
        return mcnemar(self.only_before, self.only_now)

    @property
    def verdict(self) -> str:
        """One word for whoever will not read the number: at the usual 5 %."""
        if self.p_value >= 0.05:  # noqa: PLR2004  # the usual level
            return "no difference shown"
        return "better" if self.only_now > self.only_before else "worse"


def compare(before: Rights, now: Rights) -> list[Paired]:
    """Return one comparison for each field that both runs have measured on some message."""
    found = []
    for field in before.keys() & now.keys():
        shared = before[field].keys() & now[field].keys()
        pairs = [(before[field][one], now[field][one]) for one in shared]
        if pairs:
            found.append(
                Paired(
                    field=field,
                    shared=len(pairs),
                    right_before=sum(was for was, _ in pairs),
                    right_now=sum(is_ for _, is_ in pairs),
                    only_before=sum(was and not is_ for was, is_ in pairs),
                    only_now=sum(is_ and not was for was, is_ in pairs),
                )
            )
    return sorted(found, key=lambda one: one.field)


def comparison(pairs: Sequence[Paired]) -> Table:
    """Return the comparison as a table."""
    rows = [
        [
            one.field,
            str(one.shared),
            percent(one.right_before / one.shared),
            percent(one.right_now / one.shared),
            f"{one.only_before} / {one.only_now}",
            f"{one.p_value:.2g}",
            one.verdict,
        ]
        for one in pairs
    ]
    heads = ("FIELD", "MESSAGES", "RIGHT BEFORE", "RIGHT NOW", "ONLY BEFORE / ONLY NOW", "P (MCNEMAR)", "VERDICT")
    return "Compared with the earlier run", heads, rows


def mcnemar(one: int, other: int) -> float:
    """Return the two-sided exact p-value of so many messages that only one run, or only the other, has right."""
    return min(1.0, 2.0 * at_most(min(one, other), one + other, 0.5))
