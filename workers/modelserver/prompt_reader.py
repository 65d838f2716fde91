"""Reads the fields out of a triage system message: what each field is, its codes, its description and its pattern. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from schemas.fields import ExtractType
from workers.modelserver.labeller import Code

_HEADING = re.compile(r"^### ([a-z][a-z0-9_]*) \((label|extract [a-z]+|text.*)\)$")
_CODE = re.compile(r"^(\S{1,4}) = ([a-z][a-z0-9_]*):(?: (.*))?$")
_PATTERN = re.compile(r"(?:^|(?<= ))Pattern: (.+)$")
_MAX_CHARS = re.compile(r"\d{1,4}")
_DEFAULT_MAX_CHARS = 200


@dataclass(frozen=True, slots=True)
class DescribedLabel:
    """A label field: what the prompt says of it and of its codes."""

    description: str
    codes: Mapping[str, Code]


@dataclass(frozen=True, slots=True)
class DescribedExtract:
    """An extract field."""

    type: ExtractType
    pattern: str | None
    description: str


@dataclass(frozen=True, slots=True)
class DescribedText:
    """A free text field."""

    max_chars: int


Described = DescribedLabel | DescribedExtract | DescribedText


@dataclass(slots=True)
class _Section:
    name: str
    kind: str
    prose: list[str] = field(default_factory=list)
    codes: dict[str, Code] = field(default_factory=dict)


def read_fields(system: str) -> dict[str, Described]:
    """Return the fields that the system message describes, by name; what it does not describe is not there."""
    return {section.name: _described(section) for section in _sections(system)}


def _sections(system: str) -> list[_Section]:
    sections: list[_Section] = []
    current: _Section | None = None
    for line in system.splitlines():
        if heading := _HEADING.match(line.rstrip()):
            current = _Section(heading[1], heading[2])
            sections.append(current)
        elif line.startswith("#"):
            current = None
        elif current is not None:
            if current.kind == "label" and (code := _CODE.match(line.rstrip())):
                current.codes[code[1]] = Code(code[1], code[2], (code[3] or "").strip())
            elif line.strip():
                current.prose.append(line.strip())
    return sections


def _described(section: _Section) -> Described:
    prose = " ".join(section.prose)
    if section.kind == "label":
        return DescribedLabel(prose, section.codes)
    if section.kind.startswith("text"):
        number = _MAX_CHARS.search(section.kind)
        return DescribedText(int(number[0]) if number else _DEFAULT_MAX_CHARS)
    word = section.kind.removeprefix("extract ")
    kind = ExtractType(word) if word in set(ExtractType) else ExtractType.STRING
    pattern = _PATTERN.search(prose)
    if pattern is None:
        return DescribedExtract(kind, None, prose)
    return DescribedExtract(kind, pattern[1], prose[: pattern.start()].strip())
