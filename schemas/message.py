"""What arrives: one message to triage, decoded from a record by a task's mapping."""

from collections.abc import Mapping
from dataclasses import dataclass

from schemas.priority import Priority


@dataclass(frozen=True, slots=True)
class Message:
    """One text to triage.

    `id` names the message for people (the sender's id, or topic/partition/offset); it is never used for delivery.
    `tenant` separates whose texts may share a prompt; None is one tenant like any other.
    """

    text: str
    id: str
    key: bytes | None
    tenant: str | None
    metadata: Mapping[str, str]
    priority: Priority = Priority.NORMAL
