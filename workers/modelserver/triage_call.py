"""The triage shape of a call: items in, one reply object per item out. Pure.

A call has it when its schema is `{"r": [{"ref": ..., FIELD: ...}]}`; see `schemas.reply`. The schema says which fields and
codes there are, the system message what they mean.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, assert_never

import orjson

from schemas.fields import ExtractType
from schemas.reply import ITEMS, REF, SURE
from schemas.verdict import Band
from workers.modelserver.api_error import invalid
from workers.modelserver.labeller import (
    Code,
    ExtractQuestion,
    Item,
    ItemAnswer,
    Labelled,
    LabelQuestion,
    ParsedRequest,
    Question,
    TextQuestion,
    Valued,
)
from workers.modelserver.pieces import Fixed, Piece, choice, json_text
from workers.modelserver.prompt_reader import Described, DescribedExtract, DescribedLabel, DescribedText, read_fields

_MOST_ITEMS = 1024
_HIGH, _MEDIUM = 0.9, 0.6


@dataclass(frozen=True, slots=True)
class TriageCall:
    """The questions and items, and the keys of a reply object in the schema's order."""

    request: ParsedRequest
    keys: tuple[str, ...]


def is_triage(schema: Mapping[str, Any]) -> bool:
    properties = schema["properties"]
    if set(properties) != {ITEMS} or properties[ITEMS].get("type") != "array":
        return False
    item = properties[ITEMS]["items"]
    if item.get("type") != "object" or REF not in item["properties"]:
        return False
    return all(_is_codes(node) or _is_nullable_string(node) for name, node in item["properties"].items() if name != REF)


def _is_codes(node: Mapping[str, Any]) -> bool:
    return "enum" in node and all(isinstance(code, str) for code in node["enum"])


def _is_nullable_string(node: Mapping[str, Any]) -> bool:
    types = [branch.get("type") for branch in node["anyOf"]] if "anyOf" in node else node.get("type")
    return isinstance(types, list) and set(types) == {"string", "null"}


def read_triage(schema: Mapping[str, Any], system: str, user: str) -> TriageCall:
    """Return the call. The schema must be a triage schema. Raises ApiError 400 when the user message holds no items."""
    properties = schema["properties"][ITEMS]["items"]["properties"]
    questions = read_questions(properties, system)
    return TriageCall(ParsedRequest(questions, _items(user)), tuple(properties))


def read_questions(properties: Mapping[str, Any], system: str) -> tuple[Question, ...]:
    """Return a question for every field of a reply object, in the schema's order."""
    described = read_fields(system)
    return tuple(_question(name, node, described.get(name)) for name, node in properties.items() if name not in (REF, SURE))


def reply_pieces(call: TriageCall, answers: Sequence[ItemAnswer]) -> list[Piece]:
    """Return the reply's text in pieces; each code is a piece of its own."""
    pieces: list[Piece] = [Fixed(f'{{"{ITEMS}":[')]
    for index, answer in enumerate(answers):
        by_name = {one.name: one for one in answer.answers}
        for place, key in enumerate(call.keys):
            opening = ("," if index else "") + "{" if place == 0 else ","
            pieces.append(Fixed(f"{opening}{json_text(key)}:"))
            if key == REF:
                pieces.append(Fixed(json_text(answer.ref)))
            elif key == SURE:
                pieces += (Fixed('"'), Fixed(stated_band(answer).value), Fixed('"'))
            else:
                pieces += _value_pieces(by_name[key])
        pieces.append(Fixed("}"))
    pieces.append(Fixed("]}"))
    return pieces


def stated_band(answer: ItemAnswer) -> Band:
    """Return the band of the least sure label: high from 0.9, medium from 0.6."""
    least = min((one.probability for one in answer.answers if isinstance(one, Labelled)), default=1.0)
    return Band.HIGH if least >= _HIGH else Band.MEDIUM if least >= _MEDIUM else Band.LOW


def _value_pieces(answer: Labelled | Valued) -> list[Piece]:
    match answer:
        case Labelled():
            return [Fixed('"'), choice(answer.distribution), Fixed('"')]
        case Valued():
            return [Fixed(json_text(answer.value))]
        case _:
            assert_never(answer)


def _question(name: str, node: Mapping[str, Any], described: Described | None) -> Question:
    if "enum" in node:
        known = described.codes if isinstance(described, DescribedLabel) else {}
        codes = tuple(known.get(str(code), Code(str(code), str(code))) for code in node["enum"])
        return LabelQuestion(name, codes, described.description if isinstance(described, DescribedLabel) else "")
    match described:
        case DescribedText():
            return TextQuestion(name, described.max_chars)
        case DescribedExtract():
            return ExtractQuestion(name, described.type, described.pattern, described.description)
        case _:
            return ExtractQuestion(name, ExtractType.STRING)


def _items(user: str) -> tuple[Item, ...]:
    try:
        document = orjson.loads(user)
    except orjson.JSONDecodeError:
        document = None
    items = document.get("items") if isinstance(document, dict) else None
    if not isinstance(items, list) or not 1 <= len(items) <= _MOST_ITEMS:
        raise invalid(f'The user message must be {{"items": [...]}} with 1 to {_MOST_ITEMS} items.', "messages")
    if not all(isinstance(i, dict) and isinstance(i.get("ref"), str) and isinstance(i.get("text"), str) for i in items):
        raise invalid("Every item must have a ref and a text, both strings.", "messages")
    return tuple(Item(item["ref"], item["text"], _context(item.get("context"))) for item in items)


def _context(turns: Any) -> tuple[str, ...]:
    """Return the texts of the turns; what has another shape is no context."""
    texts = [turn.get("text") for turn in turns if isinstance(turn, dict)] if isinstance(turns, list) else []
    return tuple(text for text in texts if isinstance(text, str))
