"""Static membership (KIP-345): noticing that another process has joined under our name.

aiokafka's heartbeats do not carry the instance id, so the coordinator answers a member that was replaced as it answers one
whose session ran out: unknown. aiokafka then joins again by itself, and would replace its successor in turn, for ever. So
whoever is unknown asks first who holds the name.
"""

from topics.errors import LogRefused, LogUnavailable
from topics.kafka.questions import Questions

_UUID_CHARACTERS = 36


class StaticMember:
    """Our name in a group. `member_id` is the coordinator's for us, from the last join; empty before the first."""

    def __init__(self, questions: Questions, group: str, instance_id: str) -> None:
        self._questions = questions
        self._group = group
        self._instance_id = instance_id
        self.member_id = ""

    async def replaced(self) -> LogRefused | None:
        """Return why we must end if another member holds our name since we had it; None also when nobody can tell."""
        if not self.member_id:
            return None
        try:
            members = await self._questions.members(self._group)
        except (LogUnavailable, LogRefused):
            return None
        if any(self._is_named_so(member) for member in members if member != self.member_id):
            return LogRefused(
                f"another worker has joined group {self._group} with group_instance_id {self._instance_id}: "
                "give each worker an id of its own"
            )
        return None

    def _is_named_so(self, member_id: str) -> bool:
        """The coordinator makes a static member's id of its name and a UUID."""
        return member_id.startswith(f"{self._instance_id}-") and len(member_id) == len(self._instance_id) + 1 + _UUID_CHARACTERS
