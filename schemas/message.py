"""What arrives: one message to triage, decoded from a record by a task's mapping."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from schemas.priority import Priority


class Said(NamedTuple):
    """One earlier message of a conversation."""

    speaker: str | None
    text: str


@dataclass(frozen=True, slots=True)
class Context:
    """What was said before a message in its conversation: the last turns, oldest first, and how many there were before them.

    `last_id`, `last_offset` and `last_time_ms` tell up to which record of the source.
    """

    turns: tuple[Said, ...]
    earlier: int
    last_id: str
    last_offset: int
    last_time_ms: int


class Message(NamedTuple):
    """One text to triage.

    `id` names the message for people (the sender's id, or topic/partition/offset); it is never used for delivery.
    `tenant` separates whose texts may share a prompt; None is one tenant like any other. `context` is None where none is
    known.
    """

    text: str
    id: str
    key: bytes | None
    tenant: str | None
    metadata: Mapping[str, str]
    priority: Priority = Priority.NORMAL
    context: Context | None = None

    @property
    def words(self) -> str:
        """Everything that is asked with the message: what it adds to a prompt."""
        return self.text if self.context is None else "\n".join((*(said.text for said in self.context.turns), self.text))
