"""Context: what a task may know of the conversation that a message belongs to."""

from collections.abc import Collection, Iterator

from pydantic import Field

from schemas.fields import Frozen, Name, TopicName

FORGET_SUFFIX = ".forget"


class ContextRule(Frozen):
    """Which conversation a message belongs to, where its last turns are kept, and how much of them.

    `topic` is compacted and has a record per conversation. A conversation is named by the metadata field `conversation`, or
    by the message's key; `speaker` is a metadata field too, and `customer`, by whom conversations can be forgotten together. A
    conversation that was silent for `ttl_hours` is over. A
    worker holds so many megabytes of conversations at most, and forgets the ones that were silent longest first.
    """

    topic: TopicName
    conversation: Name | None = None
    speaker: Name | None = None
    customer: Name | None = None
    turns: int = Field(default=6, ge=1, le=50)
    tokens: int = Field(default=400, ge=20, le=8_000)
    ttl_hours: float = Field(default=72, gt=0, le=8_760)
    memory_megabytes: int = Field(default=64, ge=1, le=65_536)

    @property
    def forget_topic(self) -> str:
        """The topic of the requests to forget a conversation."""
        return f"{self.topic}{FORGET_SUFFIX}"


def context_problems(
    rule: ContextRule, metadata: Collection[str], topics: Collection[str], *, promised: bool
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Yield what contradicts the rest of the task: its metadata, its other topics, a promise."""
    for part, name in (("conversation", rule.conversation), ("speaker", rule.speaker), ("customer", rule.customer)):
        if name is not None and name not in metadata:
            yield ("context", part), f"the source has no metadata {name}; map it under `metadata`"
    if {rule.topic, rule.forget_topic} & set(topics):
        yield ("context", "topic"), f"topic {rule.topic} is a source or route of the task too; give the context its own"
    if promised:
        sentence = "a promise rests on labelled messages without a context; remove the context, or use thresholds"
        yield ("context",), sentence
