"""Whether a reply keeps to a schema, of the subset that replies are asked for with (`schemas.reply`). Pure.

The harmless question shows by it whether a route honours `json_schema`: some take the wish and write what they like.
"""

from collections.abc import Mapping
from typing import Any

import orjson

_TYPES: Mapping[str, type | None] = {"object": dict, "array": list, "string": str, "null": None}


def keeps_to(schema: Mapping[str, Any], content: str) -> bool:
    """Return whether the content is JSON, and valid. Raises KeyError for a schema with a type outside the subset."""
    try:
        value = orjson.loads(content)
    except orjson.JSONDecodeError:
        return False
    return _valid(schema, value)


def _valid(schema: Mapping[str, Any], value: Any) -> bool:
    if "anyOf" in schema:
        return any(_valid(one, value) for one in schema["anyOf"])
    kind = _TYPES[schema["type"]]
    if value is not None if kind is None else not isinstance(value, kind):
        return False
    if "enum" in schema and value not in schema["enum"]:
        return False
    if isinstance(value, dict):
        properties = schema["properties"]
        return value.keys() == properties.keys() and all(_valid(properties[name], part) for name, part in value.items())
    return all(_valid(schema["items"], item) for item in value) if isinstance(value, list) else True
