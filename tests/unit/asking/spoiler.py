"""The retry rules, driven as the pipeline drives them, by a model that wants them to cost as much as possible."""

from collections.abc import Callable, Sequence
from functools import cache

from workers.asking.model import Broken, Refused, TooBig
from workers.asking.retry import GiveUp, Halve, after_fault, after_reading, halves
from workers.patience import Patience

Choice = set[int] | TooBig | Refused | Broken
Part = tuple[Sequence[int], int]  # items, tries


def parts_after(part: Part, choice: Choice) -> tuple[list[int], list[Part]]:
    """Return the items that ended by this call, and the parts to ask next. A set is what was read; else a fault came."""
    items, tries = part
    if not isinstance(choice, set):
        match after_fault(choice, len(items), 1, 0.0, Patience()):
            case Halve():
                return [], [(half, tries + 1) for half in halves(items)]
            case GiveUp():
                return list(items), []
            case unexpected:
                raise AssertionError(unexpected)
    unread = [item for item in items if item not in choice]
    again = after_reading(unread, asked=len(items), tries=tries)
    ended = [item for item in items if item in choice] + ([] if again else unread)
    return ended, [(part, tries + 1) for part in again]


def calls_of(size: int, choose: Callable[[Sequence[int]], Choice]) -> tuple[list[int], int]:
    """Ask about a batch until every item ended; return the ended items and the number of calls."""
    parts: list[Part] = [(list(range(size)), 0)]
    ended: list[int] = []
    calls = 0
    while parts:
        part = parts.pop()
        calls += 1
        done, again = parts_after(part, choose(part[0]))
        ended += done
        parts += again
    return ended, calls


class Spoiler:
    """Finds the most calls any model can cause: only how many items are read matters, not which."""

    def most_calls(self, size: int) -> int:
        @cache
        def most(count: int, tries: int) -> int:
            items = tuple(range(count))
            choices: list[Choice] = [set(items[:read]) for read in range(count + 1)]
            choices.append(Broken("x"))
            costs = []
            for choice in choices:
                _, again = parts_after((items, tries), choice)
                costs.append(1 + sum(most(len(part), min(later, 1)) for part, later in again))
            return max(costs)

        return most(size, 0)
