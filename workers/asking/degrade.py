"""What a route may refuse of a request, and what is left out then, in a declared order. Pure.

| left out | when |
|---|---|
| the option that the route names | it names one of those below |
| `reasoning_effort`, then `store`, then `temperature` | it names none: the likeliest first |

An option that the operator set is never left out: he reads the refusal instead. Log-probabilities and the schema are no
options of this kind: without them the answer is another one, and `workers.asking.route` decides about that.
"""

from collections.abc import Collection
from dataclasses import replace
from typing import Literal, assert_never, get_args

from workers.asking.prompt import Dialect

Option = Literal["reasoning_effort", "store", "temperature"]
ORDER: tuple[Option, ...] = get_args(Option)


def without(dialect: Dialect, named: str, insisted: Collection[str]) -> Dialect | None:
    """Return the dialect without what the route refuses, or None when there is nothing to leave out."""
    may_go = [option for option in ORDER if getattr(dialect, option) is not None and option not in insisted]
    going = next((option for option in may_go if named in ("", option)), None)
    return None if going is None else _drop(dialect, going)


def _drop(dialect: Dialect, option: Option) -> Dialect:
    match option:
        case "reasoning_effort":
            return replace(dialect, reasoning_effort=None)
        case "store":
            return replace(dialect, store=None)
        case "temperature":
            return replace(dialect, temperature=None)
        case _:
            assert_never(option)
