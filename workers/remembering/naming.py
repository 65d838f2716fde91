"""A task's rule applied: the key of a message's conversation, and the bounds of a window. Pure."""

from schemas.context import ContextRule
from schemas.message import Message
from workers.remembering.window import Bounds
from workers.remembering.wire import conversation_key, customer_digest

_HOUR_MS = 3_600_000


def bounds_of(rule: ContextRule) -> Bounds:
    return Bounds(rule.turns, rule.tokens, round(rule.ttl_hours * _HOUR_MS))


def name_of(message: Message, rule: ContextRule) -> bytes | None:
    """Return the key of the message's conversation, or None if it is in none."""
    if rule.conversation is None:
        name = message.key
    else:
        word = message.metadata.get(rule.conversation)
        name = None if word is None else word.encode("utf-8", "replace")
    return conversation_key(message.tenant, name) if name else None


def customer_of(message: Message, rule: ContextRule) -> str | None:
    """Return the digest of the message's customer, or None if it names none."""
    word = message.metadata.get(rule.customer) if rule.customer else None
    return customer_digest(message.tenant, word.encode("utf-8", "replace")) if word else None
