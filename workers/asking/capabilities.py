"""What a route was found to be able to do. Pure: built from the answers to the harmless question (`workers.asking.route`)."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Self

from workers.allowance import UNTOLD
from workers.asking.model import Answer, Usage

_TOLERANCE = 1e-3  # probabilities of one come rounded


class Capability(StrEnum):
    """Something that a route may do or not. A metric label, and a row of `nanotriage doctor`."""

    JSON_SCHEMA = "json_schema"  # keeps to the reply's schema
    LOGPROBS = "logprobs"  # gives the log-probabilities of its tokens
    TEMPERATURE = "temperature"  # takes one
    REASONING_EFFORT = "reasoning_effort"  # takes the least that the model knows
    STORE = "store"  # may be told to keep nothing
    SERVICE_TIER = "service_tier"  # says in which tier it served
    USAGE = "usage"  # counts tokens
    RATE_HEADERS = "rate_headers"  # tells of the account's limits
    DECISIONS = "decisions"  # has OpenAI's decisions route
    SYSTEMONE = "systemone"  # has the open format of it


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a route has, and what it lacks with a sentence on what is done instead. What is in neither was not asked."""

    has: frozenset[Capability] = frozenset()
    lacks: Mapping[Capability, str] = field(default_factory=dict)

    def found(self, capabilities: Collection[Capability]) -> Self:
        """Add what was seen to work; once seen it is no more lacked."""
        left = {capability: why for capability, why in self.lacks.items() if capability not in capabilities}
        return type(self)(self.has | frozenset(capabilities), left)

    def missed(self, capability: Capability, instead: str) -> Self:
        """Add what was seen not to work, with what is done instead."""
        return type(self)(self.has - {capability}, {**self.lacks, capability: instead})


NOTHING_KNOWN = Capabilities()

_TOLD_OF_ANSWERS = {
    Capability.USAGE: "the route counts no tokens: what calls cost is estimated from their bytes",
    Capability.RATE_HEADERS: "the route tells nothing of its limits: set limits.requests_per_minute and tokens_per_minute",
    Capability.SERVICE_TIER: "the route does not say in which tier it served",
}


def told_by(answer: Answer, known: Capabilities) -> Capabilities:
    """Add what any answer shows by itself, whatever was asked."""
    shown = {
        Capability.USAGE: answer.usage != Usage(),
        Capability.RATE_HEADERS: answer.allowances is not UNTOLD,
        Capability.SERVICE_TIER: bool(answer.tier),
    }
    for capability, there in shown.items():
        known = known.found((capability,)) if there else known.missed(capability, _TOLD_OF_ANSWERS[capability])
    return known


def spells(answer: Answer) -> bool:
    """Return whether the answer's tokens are what log-probabilities must be to be of use.

    They spell the content, are none above zero, and come with alternatives. Routes were seen to ignore the wish, to send zeros
    for all, and to send tokens of another text.
    """
    tokens = answer.tokens
    spelt = answer.content.encode("utf-8", "surrogatepass") in b"".join([token.text for token in tokens])
    possible = all(token.logprob <= _TOLERANCE for token in tokens)
    return bool(tokens) and spelt and possible and any(token.alternatives for token in tokens)
