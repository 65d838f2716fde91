"""Where a task's events go, and which topics may not be the same."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import Discriminator, Field, Tag

from schemas.fields import Frozen, Name, TopicName

Problem = tuple[tuple[str | int, ...], str]
"""Path of the part to look at, and what is wrong with it and what to do next."""


class LabelRoutes(Frozen):
    """One topic per label of `field`; labels without a topic go to `otherwise`."""

    field: Name
    topics: dict[Name, TopicName] = Field(min_length=1)
    otherwise: TopicName


def _labelled_form(value: Any) -> str:
    return "by_label" if isinstance(value, dict | LabelRoutes) else "one_topic"


Labelled = Annotated[
    Annotated[TopicName, Tag("one_topic")] | Annotated[LabelRoutes, Tag("by_label")], Discriminator(_labelled_form)
]


class Routes(Frozen):
    """Where events go. Every input record ends in exactly one of the first three.

    `audit` gets copies of some labelled messages, and `findings` what auditors say of them.
    """

    labelled: Labelled
    escalated: TopicName
    dead: TopicName
    audit: TopicName | None = None
    findings: TopicName | None = None

    def labelled_topics(self) -> frozenset[str]:
        if isinstance(self.labelled, str):
            return frozenset({self.labelled})
        return frozenset({*self.labelled.topics.values(), self.labelled.otherwise})

    def topics(self) -> frozenset[str]:
        """Return the topics of terminal events."""
        return self.labelled_topics() | {self.escalated, self.dead}

    def audits(self) -> Mapping[str, str]:
        """Return the topics of audits, by what they are for; none where nothing is audited."""
        named = {"audit": self.audit, "findings": self.findings}
        return {name: topic for name, topic in named.items() if topic is not None}


def topic_problems(routes: Routes, source: str) -> Iterator[Problem]:
    """Give what is wrong with a task's topics, of which `source` is the one it reads."""
    if source in routes.topics():
        yield (
            ("source", "topic"),
            f"topic {source} is both source and route, so the worker would read its own events; rename one",
        )
    if routes.dead == routes.escalated:
        yield ("routes", "dead"), f"dead and escalated share the topic {routes.dead}; give each its own"
    for name, topic in (("escalated", routes.escalated), ("dead", routes.dead)):
        if topic in routes.labelled_topics():
            yield ("routes", name), f"labelled and {name} share the topic {topic}; give each its own"
    audits = routes.audits()
    if len(audits) == 1:
        (name,) = audits
        yield ("routes", name), "audit and findings go together, what is put up and what comes back; state both or none"
    elif len(set(audits.values())) < len(audits):
        yield ("routes", "findings"), f"audit and findings share the topic {routes.findings}; give each its own"
    for name, topic in audits.items():
        if topic in routes.topics() | {source}:
            yield ("routes", name), f"topic {topic} has another use in this task; give {name} its own"
