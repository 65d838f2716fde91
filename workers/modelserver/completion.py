"""Renders a reply as a chat completion: tokens, their log-probabilities, the cut at the token limit, usage. Pure.

The tokens joined are the content, and each code is one token. Tokens that the schema forces have log-probability 0. At a code
the alternatives are the other codes of its field, so their probabilities add up to one when all are asked for.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, assert_never

from workers.modelserver.pieces import Choice, Fixed, Piece
from workers.modelserver.wire import ChatCall

_RUN = re.compile(r"(?s).{1,12}")  # long tokens: each costs a hundred bytes of log-probabilities
_LEAST_PROBABILITY = 1e-9


@dataclass(frozen=True, slots=True)
class Token:
    """A token and its alternatives with their probabilities, itself first."""

    text: str
    alternatives: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Stamp:
    """What makes a reply this one: its id, when it was made (seconds since the epoch), and by which weights."""

    id: str
    created: int
    fingerprint: str


def tokenize(pieces: Sequence[Piece]) -> list[Token]:
    """Return the tokens of a reply; joined they are its text."""
    tokens: list[Token] = []
    for piece in pieces:
        match piece:
            case Fixed(text):
                tokens += [Token(word, ((word, 1.0),)) for word in _RUN.findall(text)]
            case Choice(distribution):
                tokens.append(Token(distribution[0][0], distribution))
            case _:
                assert_never(piece)
    return tokens


def render(call: ChatCall, pieces: Sequence[Piece], stamp: Stamp) -> dict[str, Any]:
    """Return the body of the response; `finish_reason` is length when the reply does not fit `call.max_tokens`."""
    tokens = tokenize(pieces)
    kept = tokens if call.max_tokens is None else tokens[: call.max_tokens]
    logprobs = None
    if call.top_logprobs is not None:
        logprobs = {"content": [_token_logprobs(token, call.top_logprobs) for token in kept], "refusal": None}
    return {
        "id": stamp.id,
        "object": "chat.completion",
        "created": stamp.created,
        "model": call.model,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "".join(token.text for token in kept), "refusal": None},
                "logprobs": logprobs,
                "finish_reason": "stop" if len(kept) == len(tokens) else "length",
            }
        ],
        "usage": _usage(call.prompt_tokens, len(kept)),
        "service_tier": "default",
        "system_fingerprint": stamp.fingerprint,
    }


def _usage(prompt_tokens: int, completion_tokens: int) -> dict[str, Any]:
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }


def _token_logprobs(token: Token, top: int) -> dict[str, Any]:
    alternatives = [_one(text, probability) for text, probability in token.alternatives[: max(1, top)]]
    return {**alternatives[0], "top_logprobs": alternatives if top else []}


def _one(text: str, probability: float) -> dict[str, Any]:
    logprob = math.log(max(probability, _LEAST_PROBABILITY)) if probability < 1.0 else 0.0
    return {"token": text, "logprob": logprob, "bytes": list(text.encode())}
