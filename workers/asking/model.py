"""What can be asked of a model and what may come back. Every way to fail is a `Fault`, split by what to do next."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple, Protocol

from schemas.verdict import Decision
from workers.allowance import UNTOLD, Allowances


class Wire(StrEnum):
    """How a call is spoken, by its path below the base URL."""

    CHAT = "/chat/completions"
    DECISIONS = "/decisions"  # OpenAI's: questions about one input
    SYSTEMONE = "/systemone"  # the open format of the same


Wrong = Sequence[Sequence[str]]
"""For each message what was wrong with its last answer, in sentences; empty when nothing is asked again."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request: its bytes, the refs of its items in order, and the fields it decides, in order (none on the chat wire).

    `vote` numbers the further chat calls about one item (`workers.asking.agreement`); 0 is none of them.
    `levels` are the labels of the fields that are scored, least first.
    """

    body: bytes
    refs: tuple[str, ...]
    wire: Wire = Wire.CHAT
    fields: tuple[str, ...] = ()
    vote: int = 0
    levels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked about a part: one call, or several whose answers are joined (`workers.asking.joining`)."""

    calls: tuple[Call, ...]
    refs: tuple[str, ...]

    @property
    def size(self) -> int:
        """Bytes of all its requests."""
        return sum(len(call.body) for call in self.calls)


class Overhead(NamedTuple):
    """What a question takes besides its texts: requests, bytes, how often each text is sent, and room for the answers."""

    requests: int
    static_bytes: int
    copies: int
    output_tokens: int


class Token(NamedTuple):
    """A token of the answer with its log-probability and the alternatives at its place. `text` is its UTF-8 bytes."""

    text: bytes
    logprob: float
    alternatives: Sequence[tuple[bytes, float]]


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of a call as the provider counted them. `cached` is the part of `input` read from its prompt cache."""

    input: int = 0
    cached: int = 0
    output: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model said. `cut` tells that it ran out of tokens, so that only a prefix of the content is there.

    `decided` holds, by ref and field, what a decision route says; its fields are not in the content. `votes` holds, by ref and
    number, the contents of further answers about that item alone. `allowances` is what the provider told of the account's
    limits, `tier` the one it served in, empty where it says none. `limited` is the longest refusal for limits among its calls.
    """

    content: str
    cut: bool
    tokens: Sequence[Token]
    usage: Usage
    model: str
    request_id: str
    allowances: Allowances = UNTOLD
    decided: Mapping[str, Mapping[str, Decision]] = field(default_factory=dict)
    votes: Mapping[str, Mapping[int, str]] = field(default_factory=dict)
    tier: str = ""
    limited: "TryAgain | None" = None


class Trouble(StrEnum):
    """What keeps a provider from answering: a fault of its own, the account's limits, or a load that grows too fast."""

    FAULT = "fault"
    LIMIT = "limit"
    SLOW_DOWN = "slow_down"


@dataclass(frozen=True, slots=True)
class TryAgain:
    """The provider cannot answer now: limit, overload, time-out, connection. Nobody's message is at fault."""

    why: str
    after_seconds: float | None = None
    trouble: Trouble = Trouble.FAULT
    allowances: Allowances = UNTOLD


@dataclass(frozen=True, slots=True)
class TooBig:
    """The question does not fit the model's context: ask fewer items at once."""

    why: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The provider or the model will not answer this content."""

    why: str


@dataclass(frozen=True, slots=True)
class Broken:
    """An answer came and cannot be used: no choice or no content in it, or the route refuses one of the texts."""

    why: str


@dataclass(frozen=True, slots=True)
class Barred:
    """The account or the set-up is at fault: bad key, unknown model, spent quota, a request that the route never takes.

    No message will fare better, so the intake stops until an operator acts.
    """

    why: str


Fault = TryAgain | TooBig | Refused | Broken | Barred


@dataclass(frozen=True, slots=True)
class Unclear:
    """The route refuses this request. One of its texts may be at fault, or the set-up: a harmless question tells.

    `said` is the provider's own sentence, for an operator; it may quote a text, so it goes no further if a text is at fault.
    `param` is the part of the request that the provider names, empty when it names none.
    """

    why: str
    said: str
    param: str = ""


class Model(Protocol):
    """A model route. One call, no retries: the one retry loop is the pipeline's, decided by `workers.asking.retry`."""

    async def ask(self, call: Call) -> Answer | Fault | Unclear:
        """Return what came back, within the route's total deadline. Never raises."""

    async def close(self) -> None:
        """Close every connection, after the calls in flight are over."""
