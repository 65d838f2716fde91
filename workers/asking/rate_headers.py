"""The rate-limit headers of the wild as one value. Pure and total: what cannot be read was not told.

Seen: OpenAI and its imitators (`x-ratelimit-limit-requests`, resets such as `6m0s` or `20ms`; also per project), Azure (plain
seconds, -1 or 0 for unknown), Groq (requests are those of a day), Cerebras (`...-tokens-minute`, `...-requests-day`),
Anthropic (`anthropic-ratelimit-...`, resets as RFC 3339 dates), Mistral (`ratelimitbysize-...`), OpenRouter
(`x-ratelimit-limit`, resets in milliseconds since the epoch) and the drafts of the IETF's httpapi group: `ratelimit-limit` (up
to 06), `ratelimit: limit=100, remaining=50, reset=5` (07), `ratelimit: "name";r=50;t=5` with `ratelimit-policy:
"name";q=100;w=60` (from 08).
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from workers.allowance import UNTOLD, Allowance, Allowances

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_DURATION = re.compile(rf"(?:{_PART.pattern})+")
_FIELD = re.compile(r"\b(limit|remaining|reset|[qrtw])\s*=\s*(\d{1,15}(?:\.\d{1,6})?)")
_EPOCH_SECONDS, _EPOCH_MILLISECONDS = 1e9, 1e11  # a number beyond is a moment, not a duration
_MOST = 1e15


class _Family(NamedTuple):
    """Headers that tell of one limit; the window's seconds where their names tell it."""

    limit: str
    remaining: str
    reset: str
    window: float | None


def _family(name: str, window: float | None = None) -> _Family:
    return _Family(name.format("limit"), name.format("remaining"), name.format("reset"), window)


# First come, first believed. Their names are made once: most calls look all of them up.
_REQUESTS = (
    _family("x-ratelimit-{}-requests-minute", 60.0),
    _family("x-ratelimit-{}-requests"),
    _family("anthropic-ratelimit-requests-{}"),
    _family("x-ratelimit-{}-requests-day", 86_400.0),
    _family("x-ratelimit-{}"),
    _family("ratelimit-{}"),
)
_TOKENS = (
    _family("x-ratelimit-{}-tokens-minute", 60.0),
    _family("x-ratelimit-{}-tokens"),
    _family("anthropic-ratelimit-tokens-{}"),
    _family("anthropic-ratelimit-input-tokens-{}"),
    _family("x-ratelimitbysize-{}-minute", 60.0),
    _family("ratelimitbysize-{}"),
    _family("x-ratelimit-{}-tokens-day", 86_400.0),
)
_PROJECT_TOKENS = (_family("x-ratelimit-{}-project-tokens"),)


def read_allowances(headers: Mapping[str, str], now: float) -> Allowances:
    """Return what the headers tell. `headers` finds names in lower case; `now` is seconds since the epoch."""
    requests = _first(headers, _REQUESTS, now) or _draft(headers) or Allowance()
    tokens = _first(headers, _TOKENS, now) or Allowance()
    project = _first(headers, _PROJECT_TOKENS, now)
    if project is not None and _tighter(project, tokens):
        tokens = project
    return Allowances(requests, tokens) if requests != Allowance() or tokens != Allowance() else UNTOLD


def reset_seconds(value: str | None, now: float) -> float | None:
    """Return the seconds until a reset, told as a duration, as a number, or as a moment; None when it cannot be read."""
    if value is None:
        return None
    text = value.strip()
    if _DURATION.fullmatch(text):
        return sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))
    if (number := _number(text)) is not None:
        if number >= _EPOCH_MILLISECONDS:
            return max(0.0, number / 1000 - now)
        return max(0.0, number - now) if number >= _EPOCH_SECONDS else number
    try:
        moment = datetime.fromisoformat(text)
        return max(0.0, moment.replace(tzinfo=moment.tzinfo or UTC).timestamp() - now)
    except (ValueError, OverflowError, OSError):
        return None


def _first(headers: Mapping[str, str], families: tuple[_Family, ...], now: float) -> Allowance | None:
    for family in families:
        told, remaining = headers.get(family.limit), _number(headers.get(family.remaining))
        limit = _number(told)
        if not limit:  # Azure says 0 or -1 for a limit it does not tell; what remains of it then means nothing
            if remaining is None or told is not None:
                continue
            limit = None
        reset = reset_seconds(headers.get(family.reset), now)
        return Allowance(limit, remaining, reset, family.window or _window(headers.get("ratelimit-policy")))
    return None


def _draft(headers: Mapping[str, str]) -> Allowance | None:
    """Read `ratelimit` as the later drafts write it; the first policy counts."""
    line = headers.get("ratelimit")
    if line is None:
        return None
    policy = dict(_FIELD.findall(headers.get("ratelimit-policy", "").split(",")[0]))
    said = dict(_FIELD.findall(line if "limit=" in line else line.split(",")[0]))
    limit = _number(said.get("limit") or policy.get("q"))
    remaining = _number(said.get("remaining") or said.get("r"))
    if not limit and remaining is None:
        return None
    return Allowance(limit or None, remaining, _number(said.get("reset") or said.get("t")), _number(policy.get("w")) or None)


def _window(policy: str | None) -> float | None:
    """Return the window that `ratelimit-policy: 100;w=60` names."""
    fields = dict(_FIELD.findall((policy or "").split(",")[0]))
    return _number(fields.get("w")) or None


def _tighter(one: Allowance, other: Allowance) -> bool:
    return other.limit is None or (one.limit is not None and one.limit < other.limit)


def _number(value: str | None) -> float | None:
    """Return a count; the value may be a list (`100, 100;w=60`), whose first member counts. Negative is not told."""
    if value is None:
        return None
    try:
        number = float(value.split(",")[0].split(";")[0])
    except ValueError:
        return None
    return number if 0 <= number < _MOST else None
