"""Requests: whom to forget. Pure.

A request names a conversation or a customer by a digest, so that neither it nor its marker is a copy of what it erases.
"""

from dataclasses import dataclass

import orjson

from schemas.context import ContextRule
from schemas.message import Message
from workers.remembering.naming import customer_of, name_of
from workers.remembering.wire import conversation_key, customer_digest, digest_of


@dataclass(frozen=True, slots=True)
class Request:
    """`name` is the conversation's, or the customer's if `customer`. `id` tells this request's answers from another's."""

    name: bytes
    tenant: str | None
    customer: bool
    id: str
    until_ms: int

    @property
    def digest(self) -> str:
        key = conversation_key(self.tenant, self.name)
        return customer_digest(self.tenant, self.name) if self.customer else digest_of(key)

    def body(self) -> bytes:
        """Return what the keeper is told."""
        return orjson.dumps({"sha256": self.digest, "until_ms": self.until_ms, "id": self.id})

    def means(self, message: Message, rule: ContextRule) -> bool:
        """Return whether the message is of the conversation, or the customer's."""
        if self.customer:
            return customer_of(message, rule) == self.digest
        key = name_of(message, rule)
        return key is not None and digest_of(key) == self.digest
