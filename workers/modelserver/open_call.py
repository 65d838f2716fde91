"""Any other shape of a call, such as a probe: the user message is one text, every enum in the schema a label question. Pure.

What no label can answer gets the least value of its type: null where allowed, else an empty string or list, zero, false.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from workers.modelserver.labeller import Code, Item, ItemAnswer, Labelled, LabelQuestion, ParsedRequest
from workers.modelserver.pieces import Choice, Fixed, Piece, json_text

_EMPTY = {"string": '""', "integer": "0", "number": "0", "boolean": "false", "null": "null", "array": "[]"}


@dataclass(frozen=True, slots=True)
class Slot:
    """Where the answer of a question goes; `texts` is the JSON of each of its codes."""

    question: str
    texts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class OpenCall:
    """The questions about the one text, and the reply around their answers."""

    request: ParsedRequest
    frame: tuple[str | Slot, ...]


@dataclass(slots=True)
class _Frame:
    parts: list[str | Slot] = field(default_factory=list)
    questions: list[LabelQuestion] = field(default_factory=list)


def read_open(schema: Mapping[str, Any], user: str) -> OpenCall:
    """Return the call. The schema must have passed `check_schema`."""
    frame = _Frame()
    _walk(schema, "", frame)
    return OpenCall(ParsedRequest(tuple(frame.questions), (Item("", user),)), tuple(frame.parts))


def open_pieces(call: OpenCall, answer: ItemAnswer) -> list[Piece]:
    """Return the reply's text in pieces."""
    answers = {one.name: one for one in answer.answers if isinstance(one, Labelled)}
    pieces: list[Piece] = []
    for part in call.frame:
        if isinstance(part, str):
            pieces.append(Fixed(part))
        else:
            pairs = answers[part.question].distribution
            pieces += _value([(part.texts[code], probability) for code, probability in pairs])
    return pieces


def _value(texts: list[tuple[str, float]]) -> list[Piece]:
    """Quotes are tokens of their own when all alternatives have them."""
    if all(text.startswith('"') for text, _ in texts):
        return [Fixed('"'), Choice(tuple((text[1:-1], probability) for text, probability in texts)), Fixed('"')]
    return [Choice(tuple(texts))]


def _walk(node: Mapping[str, Any], path: str, frame: _Frame) -> None:
    if "enum" in node or "const" in node:
        values = list(dict.fromkeys(json_text(value) for value in node.get("enum", [node.get("const")])))
        codes = {f"{index}": text for index, text in enumerate(values)}
        name = f"{path.removeprefix('.') or 'reply'} {len(frame.questions)}"  # two paths may read the same
        question = LabelQuestion(name, tuple(Code(code, text.strip('"')) for code, text in codes.items()))
        frame.questions.append(question)
        frame.parts.append(Slot(name, codes))
    elif "anyOf" in node:
        branches = node["anyOf"]
        _walk(next((b for b in branches if b.get("type") == "null"), branches[0]), path, frame)
    elif node.get("type") == "object":
        for index, (name, child) in enumerate(node["properties"].items()):
            frame.parts.append(("," if index else "{") + json_text(name) + ":")
            _walk(child, f"{path}.{name}", frame)
        frame.parts.append("}" if node["properties"] else "{}")
    else:
        kind = node["type"]
        frame.parts.append(_EMPTY["null" if "null" in kind else kind[0]] if isinstance(kind, list) else _EMPTY[kind])
