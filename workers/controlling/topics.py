"""The names of the topics that controls live in. Pure."""

from typing import NamedTuple, Self


class ControlTopics(NamedTuple):
    """What is wanted (compacted: the last of each key), every change for ever, and what workers run."""

    wanted: str
    changes: str
    acks: str

    @classmethod
    def of(cls, topic: str) -> Self:
        return cls(topic, f"{topic}.changes", f"{topic}.acks")
