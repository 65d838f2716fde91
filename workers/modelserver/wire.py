"""Reads a chat completion request into a `ChatCall`. Pure: bytes in, value or ApiError out."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from workers.modelserver.api_error import ApiError, invalid
from workers.modelserver.strict_schema import check_schema

CONTEXT_TOKENS = 131_072
CHARS_PER_TOKEN = 4
_MOST_TOP_LOGPROBS = 20
_MOST_TEMPERATURE = 2.0
# What may be sent. Parameters that only matter to a generator (a seed, a penalty) are taken and change nothing.
_KNOWN = frozenset(
    """
    model messages response_format max_completion_tokens max_tokens temperature top_p logprobs top_logprobs n
    stream store seed stop user metadata service_tier reasoning_effort verbosity safety_identifier
    prompt_cache_key prompt_cache_options prompt_cache_retention presence_penalty frequency_penalty modalities
    parallel_tool_calls stream_options
    """.split()  # noqa: SIM905  # a list of words is read as one
)
_ROLES = frozenset({"system", "developer", "user", "assistant"})


@dataclass(frozen=True, slots=True)
class ChatCall:
    """What is asked: the texts, the shape of the reply, and how much of it may be written.

    `top_logprobs` is None when no log-probabilities are wanted. `prompt_tokens` is estimated as a quarter of the characters.
    """

    model: str
    system: str
    user: str
    schema: Mapping[str, Any]
    top_logprobs: int | None
    max_tokens: int | None
    prompt_tokens: int


def parse_chat(body: bytes, models: frozenset[str]) -> ChatCall:
    """Return the call. Raises ApiError: 404 for a model we do not have, 400 for everything else that is wrong."""
    request = parse_object(body)
    if unknown := sorted(set(request) - _KNOWN):
        raise invalid(f"Unrecognized request argument supplied: {unknown[0]}.", unknown[0], "unknown_parameter")
    model = parse_model(request, models)
    system, user, characters = _messages(request.get("messages"))
    schema = _response_schema(request.get("response_format"))
    _check_unsupported(request)
    tokens = -(-(characters + len(orjson.dumps(schema))) // CHARS_PER_TOKEN)
    if tokens > CONTEXT_TOKENS:
        raise ApiError(
            400,
            f"This model's maximum context length is {CONTEXT_TOKENS} tokens, but the messages have about {tokens}.",
            code="context_length_exceeded",
            param="messages",
        )
    return ChatCall(model, system, user, schema, _top_logprobs(request), _max_tokens(request), tokens)


def parse_object(body: bytes) -> dict[str, Any]:
    """Return the body's JSON object. Raises ApiError 400."""
    try:
        request = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ApiError(400, f"The body of the request is not valid JSON: {error}.") from None
    if not isinstance(request, dict):
        raise ApiError(400, "The body of the request must be a JSON object.")
    return request


def parse_model(request: Mapping[str, Any], models: frozenset[str]) -> str:
    """Return the model's name. Raises ApiError: 400 without one, 404 for one that is not in `models`."""
    model = request.get("model")
    if not isinstance(model, str) or not model:
        raise invalid("You must provide a model parameter.", "model", "missing_required_parameter")
    if model not in models:
        raise ApiError(404, f"The model `{model[:100]}` does not exist here.", code="model_not_found", param="model")
    return model


def _messages(messages: Any) -> tuple[str, str, int]:
    """Return the instructions, the last user text, and the number of characters of all messages."""
    if not isinstance(messages, list) or not messages:
        raise invalid("messages must be a list of at least one message.", "messages", "missing_required_parameter")
    system: list[str] = []
    user: str | None = None
    characters = 0
    for index, message in enumerate(messages):
        role = message.get("role") if isinstance(message, dict) else None
        if not isinstance(role, str) or role not in _ROLES:
            raise invalid(f"messages[{index}].role must be one of {', '.join(sorted(_ROLES))}.", f"messages[{index}].role")
        text = text_of(message.get("content"), f"messages[{index}].content")
        characters += len(text)
        if role in ("system", "developer"):
            system.append(text)
        elif role == "user":
            user = text
    if user is None:
        raise invalid("messages must hold a user message.", "messages")
    return "\n\n".join(system), user, characters


def text_of(content: Any, where: str) -> str:
    """Return a message's text, which is a string or a list of text parts. Raises ApiError 400."""
    if isinstance(content, str):
        return content
    if isinstance(content, list) and content:
        texts = [part.get("text") if isinstance(part, dict) else None for part in content]
        if all(isinstance(text, str) for text in texts):
            return "\n".join(map(str, texts))
    raise invalid(f"{where} must be a string or a list of text parts.", where, "invalid_type")


def _response_schema(response_format: Any) -> Mapping[str, Any]:
    kind = response_format.get("type") if isinstance(response_format, dict) else None
    if kind != "json_schema":
        message = "This model is a classifier: response_format must be of type json_schema."
        raise invalid(message, "response_format", "unsupported_value")
    wrapped = response_format.get("json_schema")
    if not isinstance(wrapped, dict) or not isinstance(wrapped.get("name"), str):
        raise invalid("response_format.json_schema needs a name and a schema.", "response_format.json_schema")
    return check_schema(wrapped.get("schema"))


def _check_unsupported(request: Mapping[str, Any]) -> None:
    if request.get("stream"):
        raise invalid("This model does not stream.", "stream", "unsupported_value")
    if request.get("n") not in (None, 1):
        raise invalid("This model gives one choice: n must be 1.", "n", "unsupported_value")
    if request.get("reasoning_effort") not in (None, "none"):
        raise invalid("This model does not reason: reasoning_effort must be none.", "reasoning_effort", "unsupported_value")
    temperature = request.get("temperature")
    if temperature is not None and not (_is_number(temperature) and 0 <= temperature <= _MOST_TEMPERATURE):
        raise invalid("temperature must be a number from 0 to 2.", "temperature")


def _top_logprobs(request: Mapping[str, Any]) -> int | None:
    wanted, top = request.get("logprobs"), request.get("top_logprobs")
    if not isinstance(wanted, bool | None):
        raise invalid("logprobs must be true or false.", "logprobs", "invalid_type")
    if top is not None and not wanted:
        raise invalid("top_logprobs needs logprobs: true.", "top_logprobs")
    if top is not None and not (_is_count(top) and top <= _MOST_TOP_LOGPROBS):
        raise invalid(f"top_logprobs must be an integer from 0 to {_MOST_TOP_LOGPROBS}.", "top_logprobs")
    return (top or 0) if wanted else None


def _max_tokens(request: Mapping[str, Any]) -> int | None:
    for name in ("max_completion_tokens", "max_tokens"):
        most = request.get(name)
        if most is not None:
            if not _is_count(most) or most < 1:
                raise invalid(f"{name} must be an integer of at least 1.", name)
            return int(most)
    return None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
