"""The settings as a table: what the documentation lists, and what the environment and the file are checked against."""

import types
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from workers.setting_model import Price
from workers.setting_sections import PREFIX, Settings


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the settings table."""

    path: tuple[str, ...]
    default: str
    type: str
    help: str
    secret: bool

    @property
    def name(self) -> str:
        return ".".join(self.path)

    @property
    def variable(self) -> str:
        return PREFIX + "__".join(self.path).upper()


def describe() -> tuple[Row, ...]:
    """Return every setting, in the order of the sections."""
    return tuple(_rows(Settings, ()))


def settings_markdown() -> str:
    """Return the settings table of the documentation."""
    lines = [
        "| setting (`nanotriage.toml`) | variable | default | values | meaning |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| `{row.name}` | `{row.variable}` | {f'`{row.default}`' if row.default else ''} "
        f"| {row.type.replace('|', chr(92) + '|')} | {row.help} |"
        for row in describe()
    ]
    return "\n".join(lines) + "\n"


def _rows(model: type[BaseModel], above: tuple[str, ...]) -> Iterator[Row]:
    for name, field in model.model_fields.items():
        sections = [t for t in _members(field.annotation) if isinstance(t, type) and issubclass(t, BaseModel)]
        if not sections:
            yield _row((*above, name), field)
            continue
        seen: dict[tuple[str, ...], list[Row]] = {}
        for section in sections:
            for row in _rows(section, (*above, name)):
                seen.setdefault(row.path, []).append(row)
        for same in seen.values():  # a union's members share their settings; the discriminator lists one value each
            kinds = dict.fromkeys(row.type for row in same)
            yield Row(same[0].path, same[0].default, " | ".join(kinds), same[0].help, same[0].secret)


def _row(path: tuple[str, ...], field: FieldInfo) -> Row:
    default = "" if field.default_factory is not None else field.get_default()
    shown = "" if default is None else str(default)
    members = _members(field.annotation)
    return Row(path, shown, _type_text(members, field), field.description or "", SecretStr in members)


def _members(annotation: Any) -> tuple[Any, ...]:
    origin = get_origin(annotation)
    if origin is Annotated:
        return _members(get_args(annotation)[0])
    if origin in {Union, types.UnionType}:
        return tuple(m for arg in get_args(annotation) for m in _members(arg) if m is not type(None))
    return (annotation,)


TYPE_WORDS: dict[Any, str] = {
    str: "text",
    int: "integer",
    float: "number",
    Path: "file",
    SecretStr: "secret",
    dict[str, Price]: "table (JSON in the variable)",
}


def _type_text(members: tuple[Any, ...], field: FieldInfo) -> str:
    words = [
        " | ".join(map(str, get_args(member))) if get_origin(member) is Literal else TYPE_WORDS.get(member, str(member))
        for member in members
    ]
    bounds = [
        f"{word} {limit:g}"
        for rule in field.metadata
        for attribute, word in (("gt", "above"), ("ge", "from"), ("lt", "below"), ("le", "to"))
        if (limit := getattr(rule, attribute, None)) is not None
    ]
    return " ".join([" | ".join(words), *bounds])


if __name__ == "__main__":
    print(settings_markdown(), end="")
