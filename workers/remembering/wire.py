"""A conversation as bytes, as it stands in the context topic and in the table. Pure.

A value is one JSON object, `{"v": 1, "turns": [...], "fallen": {...}, "read": [time_ms, offset]}`. Beside conversations the
topic has markers of what was forgotten: their key is `MARKER` and the SHA-256 of the forgotten key, never the key. A value
names its customers by SHA-256 too.
"""

import hashlib
from typing import Any

import orjson

from workers.remembering.window import Conversation, Fallen, Place, Turn

MARKER = b"nanotriage.forgotten:"
_VERSION = 1


def conversation_key(tenant: str | None, name: bytes) -> bytes:
    """Return a conversation's key in the topic. Two tenants never share one, whatever they call it."""
    return name if tenant is None else orjson.dumps([tenant, name.decode("utf-8", "replace")])


def digest_of(key: bytes) -> str:
    """Return the name under which a key is spoken of where it must not be written."""
    return hashlib.sha256(key).hexdigest()


def customer_digest(tenant: str | None, name: bytes) -> str:
    """Return the name under which a customer is spoken of: never that of a conversation that is called the same."""
    return digest_of(b"customer\0" + conversation_key(tenant, name))


def marker_of(digest: str) -> bytes:
    """Return the key of the marker of what has this digest."""
    return MARKER + digest.encode()


def to_bytes(conversation: Conversation) -> bytes:
    fallen = conversation.fallen
    value: dict[str, Any] = {
        "v": _VERSION,
        "turns": [[turn.place.time_ms, turn.place.offset, turn.id, turn.speaker, turn.text] for turn in conversation.turns],
        "read": tuple(conversation.read),
    }
    if conversation.customers:
        value["customers"] = conversation.customers
    if fallen.turns:
        value["fallen"] = {
            "turns": fallen.turns,
            "tokens": fallen.tokens,
            "first": tuple(fallen.first or fallen.newest),
            "newest": tuple(fallen.newest),
            "speakers": fallen.speakers,
            "ids": fallen.ids,
        }
    return orjson.dumps(value)


def from_bytes(value: bytes) -> Conversation | None:
    """Return the conversation, or None for bytes that are none of this version: then there is no context, never an error."""
    try:
        parsed = orjson.loads(value)
        if parsed["v"] != _VERSION:
            return None
        turns = tuple(Turn(Place(time, offset), name, speaker, text) for time, offset, name, speaker, text in parsed["turns"])
        fallen = _fallen(parsed["fallen"]) if "fallen" in parsed else Fallen()
        return Conversation(turns, fallen, Place(*parsed["read"]), tuple(parsed.get("customers", ())))
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        return None


def _fallen(parsed: dict[str, Any]) -> Fallen:
    return Fallen(
        turns=parsed["turns"],
        tokens=parsed["tokens"],
        first=Place(*parsed["first"]),
        newest=Place(*parsed["newest"]),
        speakers=parsed["speakers"],
        ids=tuple(parsed["ids"]),
    )
