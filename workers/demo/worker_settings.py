"""What the worker's process is told: one settings file that holds everything, and an environment that adds nothing.

So a demonstration on its own broker and model does not depend on the user's settings of other clusters, and what was used
can be read afterwards. Secrets are never written: they stay in the variables they came from. Pure.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from workers.setting_model import ModelSettings
from workers.setting_sections import PREFIX, KafkaSettings, Settings

_SECRETS_OF_KAFKA = (f"{PREFIX}KAFKA__PASSWORD",)
_SECRETS_OF_MODEL = (f"{PREFIX}MODEL__API_KEY", "OPENAI_API_KEY")


def with_own_broker(settings: Settings, bootstrap: str) -> Settings:
    """Return the settings with nothing of the user's cluster left."""
    return settings.model_copy(update={"kafka": KafkaSettings(brokers=bootstrap)})


def with_own_model(settings: Settings, base_url: str, name: str) -> Settings:
    """Return the settings with nothing of the user's endpoint left but the price table and the concurrency."""
    model = ModelSettings(base_url=base_url, name=name, prices=settings.model.prices, concurrency=settings.model.concurrency)
    return settings.model_copy(update={"model": model})


def for_run(settings: Settings, run: str) -> Settings:
    """Return the settings with a consumer group of the run's own."""
    kafka = settings.kafka.model_copy(update={"group": f"{settings.kafka.group[:80]}.demo-{run}", "group_instance_id": None})
    return settings.model_copy(update={"kafka": kafka})


def environment(variables: Mapping[str, str], *, own_broker: bool, own_model: bool) -> dict[str, str]:
    """Return the worker's environment: the user's without settings, but with the secrets that are meant for it."""
    kept = (() if own_broker else _SECRETS_OF_KAFKA) + (() if own_model else _SECRETS_OF_MODEL)
    return {
        name: value
        for name, value in variables.items()
        if name.upper() in kept or not name.upper().startswith((PREFIX, "OPENAI_"))
    }


def as_toml(settings: Settings) -> str:
    """Return the settings as a settings file, all values written out."""
    tree = settings.model_dump(mode="json", exclude={"kafka": {"password"}, "model": {"api_key"}, "health": True})
    tree["logs"] = {"format": "json", "level": settings.logs.level}
    tree["model"]["temperature"] = "off" if settings.model.temperature is None else settings.model.temperature
    return "\n".join(_lines((), tree)) + "\n"


def _lines(path: tuple[str, ...], table: Mapping[str, Any]) -> Iterator[str]:
    """Write plain values first: after a table's head everything belongs to that table."""
    if path:
        yield f"[{'.'.join(_text(name) for name in path)}]"
    for name, value in table.items():
        if value is not None and not isinstance(value, Mapping):
            yield f"{_text(name)} = {_text(value) if isinstance(value, str) else json.dumps(value)}"
    for name, value in table.items():
        if isinstance(value, Mapping):
            yield from _lines((*path, name), value)


def _text(value: str) -> str:
    """Return a TOML basic string: JSON's escapes are among TOML's, and DEL is the one character JSON leaves bare."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
