"""Turns what pydantic found wrong with a task into one sentence for the person who wrote the file."""

import difflib
import typing
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from schemas.fields import ImportPath, Name, TopicName
from schemas.task import JsonPath, Task
from workers.task_yaml import Document, Place

_WANTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "model_type": "a mapping (`key: value` lines)",
    "model_attributes_type": "a mapping (`key: value` lines)",
    "dict_type": "a mapping (`key: value` lines)",
    "tuple_type": "a list",
    "list_type": "a list",
}
_SHAPES = {
    Name: "a name: lower-case letters, digits and _, starting with a letter, at most 63",
    ImportPath: "an import path: `package.module:name`",
    TopicName: "a Kafka topic: letters, digits, points, - and _, at most 249",
    JsonPath: "a path into the record's JSON value: `body` or `ticket.body`",
}


def first_sentence(document: Document, errors: Iterable[ErrorDetails]) -> tuple[Place, str]:
    """Return the sentence to show of all errors, and its place: an unknown key before what it made missing, else the first."""
    ranked = sorted(errors, key=lambda error: (error["type"] != "extra_forbidden", _place(document, error).line))
    return _place(document, ranked[0]), sentence(document, ranked[0])


def sentence(document: Document, error: ErrorDetails) -> str:
    """Return what is wrong and what to do next, without the place."""
    place, kind, context = _place(document, error), error["type"], error.get("ctx", {})
    parent = Place(place.path[:-1], place.line, None)
    last = error["loc"][-1] if error["loc"] else ""
    if kind == "contradiction":
        return str(context["sentence"])
    if kind == "extra_forbidden":
        return f"{parent} has no key `{last}`; {_instead(str(last), known_keys(error['loc'][:-1]))}"
    if kind == "missing":
        return f"{place} needs `{last}`; add it"
    if kind in ("union_tag_not_found", "union_tag_invalid"):
        return _tag_sentence(place, kind, context)
    if kind in ("literal_error", "enum"):
        return f"{place} cannot be `{place.written}`; write one of: {str(context['expected']).replace(' or ', ', ')}"
    if kind == "string_pattern_mismatch":
        shape = _shape(str(context["pattern"])) or "one line of text"
        return f"`{_short(error['input'])}` in {place} is not {shape}; rewrite it"
    if kind in _WANTED:
        advice = _quotes(kind, error["input"], place.written)
        return f"{place} must be {_WANTED[kind]}, and this is {_named(error['input'], place.written)}; {advice}"
    message = error["msg"].replace("Input should", "it should").replace("Dictionary should", "it should")
    message = message.replace(" after validation", "")
    return f"{place} cannot be used: {message[:1].lower()}{message[1:]}; correct it"


def known_keys(location: Iterable[str | int]) -> list[str]:
    """Return the keys a mapping at this place of a task may have."""
    models: list[type[BaseModel]] = [Task]
    for part in location:
        fields = [model.model_fields[part] for model in models if isinstance(part, str) and part in model.model_fields]
        inner = [model for field in fields for model in _models(field.annotation)]
        models = inner or [model for model in models if part in _tags(model)] or models
    return list(dict.fromkeys(name for model in models for name in model.model_fields))


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """Return the known word most like this one, or None if none is near."""
    return next(iter(difflib.get_close_matches(word, list(known), n=1)), None)


def _place(document: Document, error: ErrorDetails) -> Place:
    path = error.get("ctx", {}).get("path", ()) if error["type"] == "contradiction" else ()
    return document.place((*error["loc"], *path), tagged=True)


def _instead(word: str, known: list[str]) -> str:
    near = did_you_mean(word, known)
    return f"did you mean `{near}`?" if near else f"its keys are {', '.join(known)}"


def _tag_sentence(place: Place, kind: str, context: dict[str, Any]) -> str:
    key = str(context["discriminator"]).strip("'")
    if kind == "union_tag_not_found":
        return f"{place} needs `{key}`, which says what it is; add it"
    expected = str(context["expected_tags"]).replace("'", "")
    near = did_you_mean(str(context["tag"]), expected.split(", "))
    return f"{place} has {key} `{context['tag']}`; {f'did you mean `{near}`?' if near else f'write one of: {expected}'}"


def _shape(pattern: str) -> str | None:
    for annotation, words in _SHAPES.items():
        if any(getattr(constraint, "pattern", None) == pattern for constraint in typing.get_args(annotation)[1:]):
            return words
    return None


def _quotes(kind: str, value: Any, written: str | None) -> str:
    if kind == "string_type":
        return "put it in quotes" if written else "fill it in"
    number = isinstance(value, str) and value.replace(".", "", 1).removeprefix("-").isdecimal()
    return "write it without quotes" if number else "correct it"


def _named(value: Any, written: str | None) -> str:
    if isinstance(value, bool):
        return f"`{written}`, which YAML reads as {str(value).lower()}"
    if value is None:
        return "empty"
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    return f"the {'text' if isinstance(value, str) else 'number'} {_short(value)}"


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."  # noqa: PLR2004  # keeps the sentence on one line


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in typing.get_args(annotation) for model in _models(part)]


def _tags(model: type[BaseModel]) -> tuple[Any, ...]:
    for key in ("kind", "check"):
        if key in model.model_fields:
            return typing.get_args(model.model_fields[key].annotation)
    return ()
