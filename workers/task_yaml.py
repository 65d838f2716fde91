"""Reads a task file's YAML into plain data that remembers its lines.

Only what JSON knows gets through: mappings with text keys, lists, text, finite numbers, true, false and null. Tags, aliases and
merge keys are refused: an alias can blow a small file up to gigabytes, and a tag can name a Python object.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import yaml

TASK_FILE_BYTES = 1_000_000
_DEPTH = 20
_TAG = "tag:yaml.org,2002:"
_SCALARS = frozenset(_TAG + name for name in ("str", "int", "float", "bool", "null"))
_TAG_KEYS = ("kind", "check")  # the keys by which pydantic tells the members of a union apart


class TaskRefused(Exception):
    """A task cannot be used; the message is `FILE:LINE: ` and one sentence saying what is wrong and what to do next."""


def refuse(path: Path, line: int, sentence: str) -> NoReturn:
    """Raise TaskRefused; what the file quotes cannot break the line or steer the terminal."""
    sentence = "".join(char if char.isprintable() else "?" for char in " ".join(sentence.split()))
    raise TaskRefused(f"{path}:{line}: {sentence}")


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands in the file. `written` is the scalar as written, None for mappings and lists."""

    path: tuple[str | int, ...]
    line: int
    written: str | None

    def __str__(self) -> str:
        text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in self.path)
        return text.removeprefix(".") or "the task"


@dataclass(frozen=True, slots=True)
class Document:
    """A task file as data, and the way back from a part of the data to its line."""

    path: Path
    root: yaml.MappingNode
    data: dict[str, Any]

    def place(self, location: Sequence[str | int], *, tagged: bool = False) -> Place:
        """Return the deepest part of the file on this path; names that are not in the file are passed over.

        `tagged` says that this is the location of a pydantic error, in which the tag of a union follows its mapping.
        """
        node: yaml.Node = self.root
        line, trail, tag = 1, [], ""
        for part in location:
            step = None
            if tagged and tag != part and (tag := _tag(node)) == part:
                continue
            if isinstance(node, yaml.MappingNode):
                step = next(((key, value) for key, value in node.value if key.value == part), None)
            elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
                step = (node.value[part], node.value[part])
            if step is not None:
                line, node, tag = step[0].start_mark.line + 1, step[1], ""
                trail.append(part)
        return Place(tuple(trail), line, node.value if isinstance(node, yaml.ScalarNode) else None)


def read_document(path: Path) -> Document:
    """Read and parse one task file; raise TaskRefused."""
    text = _text(path)
    try:
        root = _Composer(text).get_single_node()
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        refuse(path, line, f"character #x{error.character:04x} is not allowed in YAML; remove it")
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = ", ".join(part for part in (error.context, error.problem) if part)
        refuse(path, mark.line + 1 if mark else 1, problem if "; " in problem else f"{problem}; correct the YAML here")
    if not isinstance(root, yaml.MappingNode):
        refuse(path, 1, "a task file is a mapping (`key: value` lines) and this is none; start with `name: my_task`")
    try:
        return Document(path, root, _data(root))
    except _Unusable as unusable:
        refuse(path, unusable.line, str(unusable))


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(TASK_FILE_BYTES + 1)
    except OSError as error:
        raise TaskRefused(f"{path}: cannot be read ({error.strerror}); check the path and its permissions") from None
    if len(raw) > TASK_FILE_BYTES:
        raise TaskRefused(f"{path}:1: larger than {TASK_FILE_BYTES:,} bytes; put examples into a file of their own")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        refuse(path, raw.count(b"\n", 0, error.start) + 1, "is not UTF-8; save the file in UTF-8")


class _Unusable(Exception):
    def __init__(self, node: yaml.Node, sentence: str) -> None:
        super().__init__(sentence)
        self.line = node.start_mark.line + 1


class _Composer(yaml.SafeLoader):
    """Builds nodes, and stops at the first alias or at absurd depth, before either can cost anything."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        self.depth += 1
        mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]  # typeshed leaves it bare
        if self.check_event(yaml.AliasEvent):
            raise yaml.composer.ComposerError(None, None, "aliases are not allowed; write the value out", mark)
        if self.depth > _DEPTH:
            raise yaml.composer.ComposerError(None, None, "nested too deeply; a task needs no more than six levels", mark)
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


def _data(node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode) and node.tag == _TAG + "map":
        lines: dict[str, int] = {}
        return {_key(key, lines): _data(value) for key, value in node.value}
    if isinstance(node, yaml.SequenceNode) and node.tag == _TAG + "seq":
        return [_data(item) for item in node.value]
    if not isinstance(node, yaml.ScalarNode) or node.tag not in _SCALARS:
        if node.tag == _TAG + "timestamp":
            raise _Unusable(node, f"YAML reads {node.value} as a date; put it in quotes")
        raise _Unusable(node, f"the tag {node.tag.replace(_TAG, '!!')} is not allowed; remove it")
    try:
        value = yaml.constructor.SafeConstructor().construct_object(node)
    except (ValueError, KeyError, yaml.YAMLError):
        raise _Unusable(
            node, f"`{node.value[:40]}` is no value of the type {node.tag.replace(_TAG, '!!')}; correct it"
        ) from None
    if isinstance(value, float) and not math.isfinite(value):
        raise _Unusable(node, f"{node.value} is not a finite number; write one")
    return value


def _key(node: yaml.Node, lines: dict[str, int]) -> str:
    if node.tag == _TAG + "merge":
        raise _Unusable(node, "merge keys (<<) are not allowed; write the keys out")
    if not isinstance(node, yaml.ScalarNode) or node.tag != _TAG + "str":
        written = f"`{node.value}`" if isinstance(node, yaml.ScalarNode) else "this"
        raise _Unusable(node, f"a key must be text, and YAML reads {written} as something else; put it in quotes")
    name = str(node.value)
    if name in lines:
        raise _Unusable(node, f"key `{name}` is already in line {lines[name]}; remove one of them")
    lines[name] = node.start_mark.line + 1
    return name


def _tag(node: yaml.Node) -> str:
    """Return the name pydantic puts into an error's location after this mapping, or nothing."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value in _TAG_KEYS and isinstance(value, yaml.ScalarNode):
                return str(value.value)
    return ""
