"""What an endpoint's list of models (`GET /models`) tells of each. Pure and total: what cannot be read was not told."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import orjson

# llama.cpp (in `meta`), vLLM, Groq, OpenRouter, Mistral; what is served before what the model was trained for
_CONTEXT = ("n_ctx", "max_model_len", "context_window", "context_length", "max_context_length")
_OUTPUT = ("max_completion_tokens", "max_output_tokens")


@dataclass(frozen=True, slots=True)
class ModelCard:
    """When the model is shut down, and the tokens of a call and of an answer at most; None is not told."""

    shutdown: date | None = None
    context_tokens: int | None = None
    output_tokens: int | None = None


NO_CARD = ModelCard()


async def no_card(_model: str) -> ModelCard:
    """Return an empty card: who has no endpoint to ask knows a model by its profile alone."""
    return NO_CARD


def read_cards(body: bytes) -> Mapping[str, ModelCard]:
    """Return the cards by the models' names; none at all for a body that is no list of models."""
    try:
        return {str(row["id"]): _card(row) for row in orjson.loads(body)["data"]}
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        return {}


def _card(row: Mapping[str, Any]) -> ModelCard:
    told = dict(row)
    for inner in (row.get("meta"), row.get("top_provider")):
        told |= inner if isinstance(inner, dict) else {}
    return ModelCard(_date(row.get("shutdown_date")), _count(told, _CONTEXT), _count(told, _OUTPUT))


def _date(told: object) -> date | None:
    try:
        return date.fromisoformat(told) if isinstance(told, str) else None
    except ValueError:
        return None


def _count(told: Mapping[str, Any], names: tuple[str, ...]) -> int | None:
    counts = (told.get(name) for name in names)
    return next((n for n in counts if isinstance(n, int) and not isinstance(n, bool) and n > 0), None)
