"""`nanotriage settings`: every setting, its effective value and where it comes from. Secrets are hidden."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import BaseModel, SecretStr

from workers.commands.table import print_json, print_table
from workers.setting_sections import Settings
from workers.settings import Loaded, SettingsRefused, describe, load_settings, load_with_sources

ConfigOption = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="Settings file [default: nanotriage.toml, if there is one].")
]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Set one setting, such as kafka.group=mine. Repeat it.")
]
TaskOption = Annotated[str, typer.Option("--task", metavar="TASK", help="A shipped task or a task file.")]
TasksOption = Annotated[list[str], typer.Option("--task", metavar="TASK", help="A shipped task or a task file. Repeat it.")]
BrokersOption = Annotated[str | None, typer.Option("--brokers", help="host:port, comma separated; sets kafka.brokers.")]
ModelUrlOption = Annotated[
    str | None, typer.Option("--model-url", help="Base URL of the OpenAI-compatible endpoint; sets model.base_url.")
]
ModelOption = Annotated[str | None, typer.Option("--model", help="Model name; sets model.name.")]
KeyFileOption = Annotated[
    Path | None, typer.Option("--api-key-file", help="File that holds the API key; sets model.api_key_file.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def settings(config: ConfigOption = None, assignments: SetOption = None, *, as_json: JsonOption = False) -> None:
    """Show every setting, its value and where it comes from."""
    rows = effective(load_with_sources(flags_of(assignments or ()), config))
    if as_json:
        print_json([{"name": name, "value": value, "source": source} for name, value, source in rows])
    else:
        print_table(("SETTING", "VALUE", "FROM"), rows)


def flags_of(assignments: Sequence[str], named: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return `--set` options as flags, and over them the options that have a name of their own and were given.

    Raises SettingsRefused for a `--set` without a name or an equals sign.
    """
    flags: dict[str, Any] = {}
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        if not (name and equals):
            raise SettingsRefused("--set takes NAME=VALUE, such as --set kafka.group=mine")
        flags[name] = value
    return flags | {name: value for name, value in (named or {}).items() if value is not None}


def settings_of(brokers: str | None, config: Path | None, assignments: Sequence[str] | None) -> Settings:
    """Return the settings of a command that has these three options. Raises SettingsRefused."""
    return load_settings(flags_of(assignments or (), {"kafka.brokers": brokers}), config)


def effective(loaded: Loaded) -> list[tuple[str, str, str]]:
    """Return (name, value, source) of every setting."""
    return [
        (name, _shown(value), loaded.sources.get(name, "default"))
        for row in describe()
        for name, value in _values(row.name, _value(loaded.settings, row.path))
    ]


def _value(settings: BaseModel, path: Sequence[str]) -> Any:
    value: Any = settings
    for part in path:
        value = getattr(value, part)
    return value


def _values(name: str, value: Any) -> list[tuple[str, Any]]:
    if not isinstance(value, Mapping):
        return [(name, value)]
    return [
        (f"{name}.{key}.{part}", number) for key, price in sorted(value.items()) for part, number in price.model_dump().items()
    ]


def _shown(value: Any) -> str:
    if isinstance(value, SecretStr):
        return "[hidden]"
    return "" if value is None else str(value)
