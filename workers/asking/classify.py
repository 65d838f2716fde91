"""What an HTTP response of an OpenAI-compatible route means. Pure: status, headers and bytes in, Answer or Fault out.

Decided by `error.code` before status: a spent quota is a 429 too, but waiting does not help. A 200 can be wrong in many
ways (HTML, truncated JSON, a stream, an error object, no choice or two, a tool's call); each is a Fault. A body that is no
JSON at all comes from something between us and the model, so it is the provider's, not the messages'.
"""

import email.utils
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, assert_never

import orjson

from workers.asking.decided import read_decisions, read_systemone
from workers.asking.model import Answer, Barred, Broken, Call, Fault, Refused, Token, TooBig, Trouble, TryAgain, Unclear, Wire
from workers.asking.rate_headers import read_allowances
from workers.asking.usage import read_usage

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
_SLOW_DOWN_CODES = frozenset({"slow_down"})
_LIMIT_CODES = frozenset({"rate_limit_exceeded", "rate_limit_error", "too_many_requests", "RateLimitReached"})
_MAX_DETAIL = 200
_MAX_CODE = 80

_CONSTANTS = {"-Infinity": -9999.0}  # a log-probability of nothing, as OpenAI writes it; the others are not told
_OK, _UNAUTHORIZED, _NO_CREDIT, _NOT_FOUND = 200, 401, 402, 404
_TIMEOUT, _CONFLICT, _TOO_LARGE, _TOO_EARLY, _TOO_MANY = 408, 409, 413, 425, 429
_SERVER, _UNAVAILABLE = 500, 503
_NO_ROUTE = frozenset({404, 405, 501})
_LATER = frozenset({_TIMEOUT, _CONFLICT, _TOO_EARLY, _TOO_MANY, _UNAVAILABLE})
_COMPLETION = Call(b"", ())


def classify(
    status: int, headers: Mapping[str, str], body: bytes, now: float, call: Call = _COMPLETION
) -> Answer | Fault | Unclear:
    """Return what the response to the call means. `now` is seconds since the epoch, for a Retry-After that is a date."""
    parsed = _parse(body)
    if status == _OK:
        if not isinstance(parsed, dict):
            return _not_an_object(body)
        if error := _error_of(parsed):
            return _fault(_status_inside(error), headers, error, now)
        if error := _error_of_choice(parsed):
            return _fault(_status_inside(error), headers, error, now)
        answer = _answer(parsed, headers, call)
        return replace(answer, allowances=read_allowances(headers, now)) if isinstance(answer, Answer) else answer
    if call.wire is not Wire.CHAT and status in _NO_ROUTE:
        return Barred(f"the endpoint has no {call.wire} for this model (HTTP {status}): set model.backend to chat or auto")
    return _fault(status, headers, _error_of(parsed), now)


def _parse(body: bytes) -> Any:
    """Return the body's JSON, None where it is none. Servers in Python write NaN and Infinity, which no standard knows."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        if b"NaN" not in body and b"Infinity" not in body:
            return None
    try:
        return orjson.loads(orjson.dumps(json.loads(body, parse_constant=_CONSTANTS.get)))
    except (ValueError, TypeError, RecursionError):  # the way back refuses what only Python reads, such as half a surrogate
        return None


def _not_an_object(body: bytes) -> Fault:
    start = body[:64].lstrip()
    if start.startswith((b"data:", b"event:", b": ")):
        return Barred("the route streams its answers although no stream was asked for: use a base URL that does not")
    return TryAgain("the route answered 200 with a body that is not a JSON object")


def retry_after_seconds(headers: Mapping[str, str], now: float) -> float | None:
    """Return what `retry-after-ms` or `retry-after` (seconds or a date, RFC 9110) ask for, or None."""
    if (seconds := _number(headers.get("retry-after-ms"))) is not None:
        return seconds / 1000
    value = headers.get("retry-after")
    if (seconds := _number(value)) is not None:
        return seconds
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - now) if value else None
    except (ValueError, TypeError, OverflowError, LookupError, OSError):
        return None


def _error_of(parsed: Any) -> Mapping[str, Any]:
    """Return the error object of a body or a choice, empty without one; some servers write its sentence alone."""
    error = parsed.get("error") if isinstance(parsed, dict) else None
    if isinstance(error, str) and error:
        return {"message": error}
    return error if isinstance(error, dict) else {}


def _error_of_choice(parsed: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the error that stands in the first choice: OpenRouter's, of a provider that died while it answered."""
    choices = parsed.get("choices")
    return _error_of(choices[0]) if isinstance(choices, list) and choices else {}


def _fault(status: int, headers: Mapping[str, str], error: Mapping[str, Any], now: float) -> Fault | Unclear:
    code = _line(error.get("code") or error.get("type"), _MAX_CODE)
    said = _line(error.get("message"), _MAX_DETAIL)
    short = f"HTTP {status}" + (f" {code}" if code else "")  # of a text's fault: the provider's sentence may quote the text
    detail = f"{short}: {said}" if said else short
    if code in _BARRED_CODES:
        return Barred(f"{_BARRED_CODES[code]} ({detail})")
    if code in _REFUSED_CODES:
        return Refused(short)
    if code in _TOO_BIG_CODES or status == _TOO_LARGE:
        return TooBig(short)
    # "Too many tokens" is also what a limit per minute is called, and then no message is at fault.
    if status not in _LATER and any(word in said.lower() for word in _TOO_BIG_WORDS):
        return TooBig(short)
    if status in _LATER or status >= _SERVER:
        trouble = _trouble(status, code)
        return TryAgain(detail, retry_after_seconds(headers, now), trouble, read_allowances(headers, now))
    hints = {  # 403 is not among them: a moderated text gets it, too
        _UNAUTHORIZED: "the provider refuses the API key: check the key file",
        _NO_CREDIT: "the provider says that the credit is spent: add credit",
        _NOT_FOUND: "the provider does not know the model or the address: check the model's name and the base URL",
    }
    if status in hints:
        return Barred(f"{hints[status]} ({detail})")
    return Unclear(short, said, _line(error.get("param"), _MAX_CODE))


def _trouble(status: int, code: str) -> Trouble:
    """Tell a limit from a fault by the code, and by the status where no code does; `slow_down` was a 503 once."""
    if code in _SLOW_DOWN_CODES:
        return Trouble.SLOW_DOWN
    return Trouble.LIMIT if code in _LIMIT_CODES or status == _TOO_MANY else Trouble.FAULT


def _status_inside(error: Mapping[str, Any]) -> int:
    """An error inside a 200 (OpenRouter does this) carries its status as the code; without one it is the provider's."""
    code = error.get("code")
    return code if isinstance(code, int) and not isinstance(code, bool) and code > _OK else _SERVER


def _answer(parsed: Mapping[str, Any], headers: Mapping[str, str], call: Call) -> Answer | Fault:
    request_id = _line(headers.get("x-request-id") or parsed.get("id"), _MAX_DETAIL)
    match call.wire:
        case Wire.CHAT:
            return _completion(parsed, request_id)
        case Wire.DECISIONS:
            return read_decisions(parsed, call, request_id)
        case Wire.SYSTEMONE:
            return read_systemone(parsed, call, request_id)
        case _:
            assert_never(call.wire)


def _completion(parsed: Mapping[str, Any], request_id: str) -> Answer | Fault:
    choices = parsed.get("choices")
    if isinstance(choices, list) and len(choices) > 1:
        return Broken(f"the route answered 200 with {len(choices)} choices, and one was asked for")
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
        called = message.get("tool_calls") or message.get("function_call")
        return Broken("the model called a tool that it was not given" if called else "the route answered 200 without content")
    return Answer(
        content=content,
        cut=finish == "length",
        tokens=_tokens(choice.get("logprobs")),
        usage=read_usage(parsed.get("usage")),
        model=_line(parsed.get("model"), _MAX_DETAIL),
        request_id=request_id,
        tier=_line(parsed.get("service_tier"), _MAX_CODE),
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
    text: str = token["token"]
    return bytes(raw) if isinstance(raw, list) else text.encode()


def _line(value: Any, most: int) -> str:
    """Return a short line of valid Unicode: a header may hold any bytes, and what is none of it comes as half a surrogate."""
    line = " ".join(str(value).split())[:most] if isinstance(value, str | int) else ""
    return line if line.isascii() else line.encode("utf-8", "replace").decode()


def _number(value: str | None) -> float | None:
    try:
        number = float(value) if value is not None else None
    except ValueError:
        return None
    return number if number is not None and 0 <= number < float("inf") else None
