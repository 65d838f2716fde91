"""What an evaluation has to say beside the scores: who answered, how many calls and tokens, and what they cost. Pure."""

from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any

from workers.evaluating.metered import Meter
from workers.setting_model import Price


def usage_json(meter: Meter, price: Price | None, messages: int) -> dict[str, Any]:
    """Return calls, tokens and dollars; what is unknown is null, never 0."""
    dollars, waits = cost(meter.tokens, price), sorted(meter.seconds)
    return {
        "models": sorted(meter.models),
        "calls": dict(meter.calls),
        "tokens": {kind: meter.tokens[kind] for kind in ("input", "cached", "output")} if meter.models else None,
        "seconds_of_a_call": {"p50": percentile(waits, 0.5), "p99": percentile(waits, 0.99)},
        "dollars": dollars,
        "dollars_per_1000_messages": None if dollars is None or not messages else dollars * 1000 / messages,
    }


def cost(tokens: Mapping[str, float], price: Price | None) -> float | None:
    """Return US dollars, or None where the price or the tokens are unknown."""
    if price is None or not tokens.get("input"):
        return None
    return price.dollars(int(tokens["input"]), int(tokens.get("cached", 0)), int(tokens.get("output", 0)))


def usage_line(meter: Meter, price: Price | None, messages: int) -> str:
    """Return one sentence about calls, tokens and cost."""
    calls, tokens = sum(meter.calls.values()), meter.tokens
    models = ", ".join(sorted(meter.models)) or "nobody"
    counted = f"{tokens['input']:,} tokens in ({tokens['cached']:,} cached), {tokens['output']:,} out"
    said = f"{models} answered {calls} calls: {counted}"
    dollars = cost(tokens, price)
    if dollars is None or not messages:
        return f"{said}; the price is unknown ([model.prices] of the settings has none for this model)"
    return f"{said}; {dollars:.4f} US dollars, {dollars * 1000 / messages:.4f} for 1,000 messages"


def percentile(ordered: Sequence[float], share: float) -> float | None:
    """Return the nearest-rank percentile of values in order; None of nothing."""
    return ordered[max(0, ceil(share * len(ordered)) - 1)] if ordered else None
