"""Which JSON schemas are answered: the subset that strict structured output knows. Pure.

Objects with every property required and no others, arrays, the four scalars, null, enum, const and anyOf. Anything else is
refused before a label is computed, as providers do, so that a schema that works here works there.
"""

from collections.abc import Mapping
from typing import Any

from workers.modelserver.api_error import ApiError

_MAX_DEPTH = 10
_SCALARS = frozenset({"string", "integer", "number", "boolean", "null"})


def check_schema(schema: Any) -> Mapping[str, Any]:
    """Return the schema if a strict reply can be made for it. Raises ApiError 400, code `invalid_json_schema`."""
    if not isinstance(schema, dict) or schema.get("type") != "object":
        raise _bad("the root of the schema must be an object")
    _check(schema, "schema", 0)
    return schema


def _check(node: Any, where: str, depth: int) -> None:
    if not isinstance(node, dict):
        raise _bad(f"{where} must be a schema object")
    if depth > _MAX_DEPTH:
        raise _bad(f"{where} is nested more than {_MAX_DEPTH} levels deep")
    if "$ref" in node:
        raise _bad(f"{where} has a $ref: write the definition out")
    if "enum" in node or "const" in node:
        _check_values(node, where)
    elif "anyOf" in node:
        branches = node["anyOf"]
        if not isinstance(branches, list) or not branches:
            raise _bad(f"{where}.anyOf must be a list of schemas")
        for index, branch in enumerate(branches):
            _check(branch, f"{where}.anyOf[{index}]", depth + 1)
    else:
        _check_type(node, where, depth)


def _check_values(node: Mapping[str, Any], where: str) -> None:
    values = node.get("enum", [node.get("const")])
    if not isinstance(values, list) or not values:
        raise _bad(f"{where}.enum must be a list of values")
    if any(isinstance(value, dict | list) for value in values):
        raise _bad(f"{where}.enum may hold scalars only")


def _check_type(node: Mapping[str, Any], where: str, depth: int) -> None:
    kind = node.get("type")
    if isinstance(kind, list) and kind and all(isinstance(one, str) and one in _SCALARS for one in kind):
        return
    if kind == "array":
        _check(node.get("items"), f"{where}.items", depth + 1)
    elif kind == "object":
        _check_object(node, where, depth)
    elif not isinstance(kind, str) or kind not in _SCALARS:
        raise _bad(f"{where} has the unknown type {kind!r}"[:200])


def _check_object(node: Mapping[str, Any], where: str, depth: int) -> None:
    properties = node.get("properties")
    if not isinstance(properties, dict):
        raise _bad(f"{where}.properties must be an object")
    if node.get("additionalProperties") is not False:
        raise _bad(f"{where} needs additionalProperties: false")
    required = node.get("required")
    if not isinstance(required, list) or not all(isinstance(name, str) for name in required):
        raise _bad(f"{where}.required must list every property")
    if missing := sorted(set(properties) ^ set(required)):
        raise _bad(f"{where}.required and {where}.properties differ in {missing[0]!r}"[:200])
    for name, child in properties.items():
        _check(child, f"{where}.{name}", depth + 1)


def _bad(message: str) -> ApiError:
    return ApiError(400, f"Invalid schema for response_format: {message}.", code="invalid_json_schema", param="response_format")
