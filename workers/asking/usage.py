"""What a call cost, as the provider counts it: under one set of names on the chat wire, under another elsewhere. Pure."""

from typing import Any

from workers.asking.model import Usage


def read_usage(usage: Any) -> Usage:
    """Return the counts, 0 for whatever is missing or no count; cached tokens are never more than those read."""
    if not isinstance(usage, dict):
        return Usage()
    details = usage.get("prompt_tokens_details") or usage.get("input_tokens_details")
    read = _count(usage.get("prompt_tokens")) or _count(usage.get("input_tokens"))
    cached = _count(details.get("cached_tokens")) if isinstance(details, dict) else 0
    return Usage(read, min(read, cached), _count(usage.get("completion_tokens")) or _count(usage.get("output_tokens")))


def _count(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
