"""What is known of a model by its name: data in `profiles.toml`, shipped with the product."""

import tomllib
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from workers.setting_model import DATED, Effort

_SHIPPED = Path(__file__).with_name("profiles.toml")
WARN_DAYS = 60


@dataclass(frozen=True, slots=True)
class Profile:
    """How to ask a model for the first time, how much it takes, and until when it is there; None is unknown."""

    reasoning_effort: Effort | None = None
    temperature: bool = True
    logprobs: bool = True
    shutdown: date | None = None
    context_tokens: int | None = None
    output_tokens: int | None = None


def profile_of(model: str) -> Profile:
    """Return the model's profile, also under its dated name; the generic one for a model that is not listed."""
    shipped = tomllib.loads(_SHIPPED.read_text(encoding="utf-8"))
    return Profile(**(shipped.get(model) or shipped.get(DATED.sub("", model)) or {}))


def shutdown_sentence(model: str, shutdown: date | None, today: date) -> str | None:
    """Return what an operator should read about the end of the model, None while it is far or unknown."""
    if shutdown is None or (days := (shutdown - today).days) > WARN_DAYS:
        return None
    if days < 0:
        return f"the provider announced to shut {model} down on {shutdown}, {-days} days ago: set model.name to its successor"
    return f"the provider shuts {model} down on {shutdown}, in {days} days: evaluate its successor with `nanotriage eval`"
