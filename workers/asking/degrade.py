"""What a route may refuse of a request, and what is done instead, in a declared order. Pure.

| step | what | instead |
|---|---|---|
| 1 | the part that the route names | as below |
| 2 | `reasoning_effort`, then `store`, then `temperature` | left out: the likeliest first |
| 3 | `response_format` | the schema stands in the prompt, and a JSON object is asked for; then any text |
| 4 | `logprobs` | another source of confidence (`workers.asking.route`) |

What the operator set is never left out: he reads the refusal instead. Each step is taken once, with one sentence.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Literal, assert_never, get_args

from workers.asking.capabilities import Capabilities, Capability
from workers.asking.model import Unclear
from workers.asking.prompt import Dialect

Option = Literal["reasoning_effort", "store", "temperature"]
ORDER: tuple[Option, ...] = get_args(Option)
FORMAT = "response_format"

_WORDS = re.compile(r"\b(reasoning_effort|store|temperature|response[_ ]format|json_schema|json_object|(?:top_)?logprobs)\b")


@dataclass(frozen=True, slots=True)
class Step:
    """A dialect with one thing less, the capability that the route lacks, and what is done instead."""

    dialect: Dialect
    lacked: Capability
    instead: str


def named_by(refusal: Unclear) -> str:
    """Return the part of the request that a refusal names, by its parameter or in its sentence; empty for none."""
    told = re.split(r"[.\[]", refusal.param)[0]
    if not told and (found := _WORDS.search(refusal.said)):
        told = found[1].replace(" ", "_")
    return {"json_schema": FORMAT, "json_object": FORMAT, "top_logprobs": "logprobs"}.get(told, told)


def without(dialect: Dialect, named: str, insisted: Collection[str]) -> Step | None:
    """Return what to ask with when the route refuses the part it named, or whatever it may be; None when all is tried."""
    for option in ORDER:
        if named in ("", option) and option not in insisted and getattr(dialect, option) is not None:
            return _left_out(dialect, option)
    if named not in ("", FORMAT) or FORMAT in insisted:
        return None
    match dialect.reply:
        case "json_schema":
            return described(dialect, "refuses a JSON schema")
        case "json_object":
            instead = "the schema stands in the prompt, and no form is asked for"
            return Step(replace(dialect, reply="text"), Capability.JSON_SCHEMA, f"the route refuses response_format: {instead}")
        case "text":
            return None
        case _:
            assert_never(dialect.reply)


def described(dialect: Dialect, because: str) -> Step:
    """Return the dialect with the schema in the prompt."""
    instead = "it stands in the prompt, and a JSON object is asked for"
    return Step(replace(dialect, reply="json_object"), Capability.JSON_SCHEMA, f"the route {because}: {instead}")


def accustomed(dialect: Dialect, known: Capabilities, insisted: Collection[str]) -> Dialect:
    """Leave out at once what the route was found to refuse when another task was opened."""
    for option in ORDER:
        if Capability(option) in known.lacks and option not in insisted:
            dialect = _left_out(dialect, option).dialect
    strict = dialect.reply == "json_schema" and FORMAT not in insisted
    return described(dialect, "").dialect if strict and Capability.JSON_SCHEMA in known.lacks else dialect


def _left_out(dialect: Dialect, option: Option) -> Step:
    match option:
        case "reasoning_effort":
            smaller, instead = replace(dialect, reasoning_effort=None), "it is left out, so the model may reason at length"
        case "store":
            smaller, instead = replace(dialect, store=None), "it is left out, so the provider keeps what its policy says"
        case "temperature":
            smaller, instead = replace(dialect, temperature=None), "it is left out, so the same text may be answered otherwise"
        case _:
            assert_never(option)
    return Step(smaller, Capability(option), f"the route refuses `{option}`: {instead}")
