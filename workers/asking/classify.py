"""What an HTTP response of an OpenAI-compatible route means. Pure: status, headers and bytes in, Answer or Fault out.

Decided by `error.code` before status: a spent quota is a 429 too, but waiting does not help. A 200 can be wrong in many
ways (HTML, truncated JSON, an error object, no choices); each is a Fault. A body that is no JSON at all comes from something
between us and the model, so it is the provider's, not the messages'.
"""

import email.utils
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from workers.asking.model import Answer, Barred, Broken, Fault, Refused, Token, TooBig, TryAgain, Unclear, Usage

_BARRED_CODES = {
    "insufficient_quota": "the provider says that the quota is spent: add credit or raise the limit",
    "credit_balance_exhausted": "the provider says that the credit is spent: add credit",
    "billing_hard_limit_reached": "the provider says that the spending limit is reached: raise it",
    "invalid_api_key": "the provider refuses the API key: check the key file",
    "model_not_found": "the provider does not know the model: check its name",
}
_REFUSED_CODES = frozenset({"content_filter", "content_policy_violation"})
_TOO_BIG_CODES = frozenset({"context_length_exceeded", "string_above_max_length", "request_too_large"})
_TOO_BIG_WORDS = ("context length", "context size", "maximum context", "too many tokens", "exceed_context")
_MAX_DETAIL = 200

_OK, _UNAUTHORIZED, _NO_CREDIT, _FORBIDDEN, _NOT_FOUND = 200, 401, 402, 403, 404
_TIMEOUT, _CONFLICT, _TOO_LARGE, _TOO_EARLY, _TOO_MANY, _SERVER = 408, 409, 413, 425, 429, 500


def classify(status: int, headers: Mapping[str, str], body: bytes, now: float) -> Answer | Fault | Unclear:
    """Return what the response means. `now` is seconds since the epoch, for a Retry-After that is a date."""
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:
        parsed = None
    if status == _OK:
        if not isinstance(parsed, dict):
            return TryAgain("the route answered 200 with a body that is not a JSON object")
        if isinstance(error := parsed.get("error"), dict):
            return _fault(_status_inside(error), headers, error, now)
        return _answer(parsed, headers)
    error = parsed.get("error") if isinstance(parsed, dict) else None
    return _fault(status, headers, error if isinstance(error, dict) else {}, now)


def retry_after_seconds(headers: Mapping[str, str], now: float) -> float | None:
    """Return what `retry-after-ms` or `retry-after` (seconds or a date, RFC 9110) ask for, or None."""
    if (seconds := _number(headers.get("retry-after-ms"))) is not None:
        return seconds / 1000
    value = headers.get("retry-after")
    if (seconds := _number(value)) is not None:
        return seconds
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - now) if value else None
    except (ValueError, TypeError, OverflowError):
        return None


def _fault(status: int, headers: Mapping[str, str], error: Mapping[str, Any], now: float) -> Fault | Unclear:
    code = str(error.get("code") or error.get("type") or "")
    said = " ".join(str(error.get("message") or "").split())[:_MAX_DETAIL]
    short = f"HTTP {status}" + (f" {code}" if code else "")  # of a text's fault: the provider's sentence may quote the text
    detail = f"{short}: {said}" if said else short
    if code in _BARRED_CODES:
        return Barred(f"{_BARRED_CODES[code]} ({detail})")
    if code in _REFUSED_CODES:
        return Refused(short)
    if code in _TOO_BIG_CODES or status == _TOO_LARGE or any(word in said.lower() for word in _TOO_BIG_WORDS):
        return TooBig(short)
    if status in (_TIMEOUT, _CONFLICT, _TOO_EARLY, _TOO_MANY) or status >= _SERVER:
        return TryAgain(detail, retry_after_seconds(headers, now))
    hints = {
        _UNAUTHORIZED: "the provider refuses the API key: check the key file",
        _NO_CREDIT: "the provider says that the credit is spent: add credit",
        _FORBIDDEN: "the provider forbids this account the model or the region: check its permissions",
        _NOT_FOUND: "the provider does not know the model or the address: check the model's name and the base URL",
    }
    return Barred(f"{hints[status]} ({detail})") if status in hints else Unclear(short, said)


def _status_inside(error: Mapping[str, Any]) -> int:
    """An error inside a 200 (OpenRouter does this) carries its status as the code; without one it is the provider's."""
    code = error.get("code")
    return code if isinstance(code, int) and not isinstance(code, bool) and code > _OK else _SERVER


def _answer(parsed: Mapping[str, Any], headers: Mapping[str, str]) -> Answer | Fault | Unclear:
    choices = parsed.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(choice, dict) or not isinstance(message, dict):
        return Broken("the route answered 200 without a choice")
    if message.get("refusal"):
        return Refused("the model refuses the content")
    finish = choice.get("finish_reason")
    if finish == "content_filter":
        return Refused("the provider's content filter stopped the answer")
    content = message.get("content")
    if not isinstance(content, str):
        return Broken("the route answered 200 without content")
    return Answer(
        content=content,
        cut=finish == "length",
        tokens=_tokens(choice.get("logprobs")),
        usage=_usage(parsed.get("usage")),
        model=str(parsed.get("model") or ""),
        request_id=headers.get("x-request-id") or str(parsed.get("id") or ""),
    )


def _tokens(logprobs: Any) -> Sequence[Token]:
    """Return the tokens, or none at all when any is malformed: a partial list would be read at the wrong places."""
    content = logprobs.get("content") if isinstance(logprobs, dict) else None
    if not isinstance(content, list):
        return ()
    try:
        return [
            Token(_bytes_of(t), float(t["logprob"]), [(_bytes_of(a), float(a["logprob"])) for a in t.get("top_logprobs") or ()])
            for t in content
        ]
    except (KeyError, TypeError, ValueError, AttributeError):
        return ()


def _bytes_of(token: Mapping[str, Any]) -> bytes:
    raw = token.get("bytes")
    return bytes(raw) if raw is not None else str(token["token"]).encode()


def _usage(usage: Any) -> Usage:
    if not isinstance(usage, dict):
        return Usage()
    details = usage.get("prompt_tokens_details")
    cached = details.get("cached_tokens") if isinstance(details, dict) else 0
    return Usage(_count(usage.get("prompt_tokens")), _count(cached), _count(usage.get("completion_tokens")))


def _count(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def _number(value: str | None) -> float | None:
    try:
        number = float(value) if value is not None else None
    except ValueError:
        return None
    return number if number is not None and 0 <= number < float("inf") else None
