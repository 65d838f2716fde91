"""Settings: the command line, then `NANOTRIAGE_*` variables, then `nanotriage.toml`, then defaults; the first that speaks wins.

The values are in `workers.setting_sections`. Here are the layers, the name each gives to a setting, and the refusal of
whatever none of them knows. Nothing else below `wiring` looks at the environment or at the file.
"""

import difflib
import json
import os
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_settings import EnvSettingsSource, TomlConfigSettingsSource

from workers.exits import Exit, UserError
from workers.setting_delivery import AtLeastOnceSettings, ExactlyOnceSettings
from workers.setting_model import ModelSettings, Price
from workers.setting_sections import PREFIX, BatchingSettings, HealthSettings, KafkaSettings, LogSettings, Settings
from workers.setting_table import Row, describe, settings_markdown

__all__ = [
    "AtLeastOnceSettings",
    "BatchingSettings",
    "ExactlyOnceSettings",
    "HealthSettings",
    "KafkaSettings",
    "Loaded",
    "LogSettings",
    "ModelSettings",
    "Price",
    "Row",
    "Settings",
    "SettingsRefused",
    "describe",
    "load_settings",
    "load_with_sources",
    "settings_markdown",
]

Tree = dict[str, Any]
KeyPath = tuple[str, ...]

# Variables of ours that are no settings: where the file is, and switches of the command line and of the tests.
NOT_SETTINGS = frozenset({f"{PREFIX}CONFIG", f"{PREFIX}TRACEBACK", f"{PREFIX}GOLDEN", f"{PREFIX}TEST_DATA"})
# A Kubernetes Service called `nanotriage` puts these into every pod of its namespace; refusing them would stop the worker.
SERVICE_LINK = re.compile(
    r"^NANOTRIAGE_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$"
)
SERVICE_URL = re.compile(r"^(tcp|udp|sctp)://")
PRICES: KeyPath = ("model", "prices")
SHIPPED_PRICES = Path(__file__).with_name("prices.toml")


class SettingsRefused(UserError):  # it reads as what happened
    """A setting that cannot be used. The message names its source: the command line, a variable, or a file and a key."""

    def __init__(self, message: str) -> None:
        super().__init__(message, Exit.USAGE)


@dataclass(frozen=True, slots=True)
class Loaded:
    """The settings, and for each one that is not a default the name of its source."""

    settings: Settings
    sources: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Layer:
    values: Tree
    name: Callable[[KeyPath], str]


def load_settings(flags: Mapping[str, Any], config: Path | None = None) -> Settings:
    """Return the settings of `load_with_sources`."""
    return load_with_sources(flags, config).settings


def load_with_sources(flags: Mapping[str, Any], config: Path | None = None) -> Loaded:
    """Return the settings and where each comes from.

    `flags` maps dotted names (`kafka.brokers`) to values; None is a flag that was not given. Without `config` the file is
    the one NANOTRIAGE_CONFIG names, or `nanotriage.toml` in the working folder if there is one. Raises SettingsRefused.
    """
    layers = [_file_layer(config), _environment_layer(), _flag_layer(flags)]
    values: Tree = {"model": {"prices": tomllib.loads(SHIPPED_PRICES.read_text(encoding="utf-8"))}}
    sources: dict[KeyPath, str] = {}
    for layer in layers:
        _merge(values, layer.values)
        sources.update({path: layer.name(path) for path, _ in _leaves(layer.values)})
    try:
        settings = Settings(**values)
    except ValidationError as error:
        raise SettingsRefused(_sentence(error, sources)) from None
    return Loaded(settings, {".".join(path): source for path, source in sources.items()})


def _file_layer(config: Path | None) -> _Layer:
    named = config or (Path(env) if (env := os.environ.get(f"{PREFIX}CONFIG")) else None)
    path = named or Path("nanotriage.toml")
    if not path.is_file():
        if named is None:
            return _Layer({}, str)
        raise SettingsRefused(f"there is no settings file {path}: correct --config or {PREFIX}CONFIG")
    try:
        values = TomlConfigSettingsSource(Settings, toml_file=path)()
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsRefused(f"{path} is not TOML: {error}") from None
    except OSError as error:
        raise SettingsRefused(f"{path} cannot be read: {error.strerror}") from None
    layer = _Layer(values, lambda key: f"{path}: {'.'.join(key)}")
    _refuse_unknown(layer)
    _refuse_secrets(layer)
    return layer


def _flag_layer(flags: Mapping[str, Any]) -> _Layer:
    values: Tree = {}
    for name, value in flags.items():
        if value is not None:
            *sections, last = _flag_path(name)
            inner = values
            for section in sections:
                inner = inner.setdefault(section, {})
            inner[last] = dict(value) if isinstance(value, Mapping) else value
    layer = _Layer(values, lambda key: f"command line: {'.'.join(key)}")
    _refuse_unknown(layer)
    _refuse_secrets(layer)
    return layer


def _flag_path(name: str) -> KeyPath:
    """Split a dotted name; a model's name in the price table has dots of its own."""
    path = tuple(name.split(".", 2))
    if path[:2] == PRICES and path[2:]:
        model, dot, part = path[2].rpartition(".")
        return (*PRICES, model, part) if dot and part in Price.model_fields else path
    return path


def _environment_layer() -> _Layer:
    known = {row.variable for row in describe()}
    for name, value in os.environ.items():
        upper = name.upper()
        if not upper.startswith(PREFIX) or upper in known | NOT_SETTINGS:
            continue
        if SERVICE_LINK.match(upper) or SERVICE_URL.match(value):
            continue
        raise _unknown(name, upper.removeprefix(PREFIX).replace("__", ".").lower(), lambda row: row.variable)
    prices = f"{PREFIX}MODEL__PRICES"
    try:
        json.loads(os.environ.get(prices) or "{}")
    except ValueError:
        raise SettingsRefused(
            f'{prices} is not JSON such as {{"my-model": {{"input": 0.1, "cached": 0, "output": 0.5}}}}'
        ) from None
    return _Layer(EnvSettingsSource(Settings)(), lambda key: PREFIX + "__".join(key[:2]).upper())


def _refuse_unknown(layer: _Layer) -> None:
    known = {row.path for row in describe()}
    for path, _ in _leaves(layer.values):
        if path in known or path[:2] == PRICES or any(name[: len(path)] == path for name in known):
            continue
        raise _unknown(layer.name(path), ".".join(path), lambda row: row.name)


def _refuse_secrets(layer: _Layer) -> None:
    for row in describe():
        if row.secret and any(path == row.path for path, _ in _leaves(layer.values)):
            raise SettingsRefused(
                f"{layer.name(row.path)} may not be written there: use {row.name}_file or the variable {row.variable}"
            )


def _meant(wrong: str) -> Row | None:
    """Return the setting that was probably meant: one of the same last word, else one of a similar name or last word."""
    rows = {row.name: row for row in describe()}
    ends = {row.path[-1]: row for row in reversed(rows.values())}
    last = wrong.rpartition(".")[2]
    if last in ends:
        return ends[last]
    if near := difflib.get_close_matches(wrong, rows, n=1, cutoff=0.75):
        return rows[near[0]]
    near = difflib.get_close_matches(last, ends, n=1, cutoff=0.75)
    return ends[near[0]] if near else None


def _unknown(source: str, wrong: str, name: Callable[[Row], str]) -> SettingsRefused:
    row = _meant(wrong)
    advice = f"did you mean {name(row)}?" if row else "`nanotriage settings` lists all of them"
    return SettingsRefused(f"{source} is no setting; {advice}")


def _sentence(error: ValidationError, sources: Mapping[KeyPath, str]) -> str:
    problem = error.errors(include_input=False, include_url=False)[0]
    path = _untagged(tuple(str(part) for part in problem["loc"]))
    named = [source for key, source in sources.items() if key[: len(path)] == path or path[: len(key)] == key]
    message = problem["msg"].removeprefix("Value error, ").removeprefix("Input ")
    if problem["type"] in {"model_type", "model_attributes_type", "dict_type"}:
        message = "should be a table"
    elif problem["type"] == "union_tag_invalid":
        path, message = (*path, "mode"), f"should be one of {problem['ctx']['expected_tags']}"
    if len(named) == 1:
        return f"{named[0]} {message}" if message.startswith("should") else f"{named[0]}: {message}"
    where = f" (set by {', '.join(named)})" if named else ""
    return f"setting {'.'.join(path)}: {message}{where}"


def _untagged(path: KeyPath) -> KeyPath:
    """Leave out the member of a union, which pydantic names behind the section."""
    settings = {row.path[1] for row in describe() if row.path[0] == path[0] and row.path[1:]}
    return path[:1] + path[2:] if path[1:] and path[1] not in settings else path


def _leaves(tree: Mapping[str, Any], above: KeyPath = ()) -> Iterator[tuple[KeyPath, Any]]:
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, (*above, name))
        else:
            yield (*above, name), value


def _merge(into: Tree, layer: Mapping[str, Any]) -> None:
    for name, value in layer.items():
        if isinstance(value, Mapping) and isinstance(into.get(name), dict):
            _merge(into[name], value)
        else:
            into[name] = dict(value) if isinstance(value, Mapping) else value
