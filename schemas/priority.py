"""How urgent a message is to its task, and how a task file says so."""

from enum import IntEnum
from typing import Self

from pydantic import Field, model_validator

from schemas.fields import Frozen, Name, contradiction


class Priority(IntEnum):
    """Which of a task's messages go first while the model is busy. Never which are answered: all of them are."""

    HIGH = 0
    NORMAL = 1
    LOW = 2


class PriorityRule(Frozen):
    """The values of a metadata field or of a record's header that make a message urgent or unhurried; others are normal."""

    field: Name | None = None
    header: str | None = Field(default=None, min_length=1, max_length=249)
    high: tuple[str, ...] = ()
    low: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _meant(self) -> Self:
        if (self.field is None) == (self.header is None):
            raise contradiction((), "a priority is read from one place: name a metadata `field` or a `header`, not both")
        if not self.high and not self.low:
            raise contradiction((), "a priority without values changes nothing; list some under `high` or `low`, or remove it")
        for index, value in enumerate(self.low):
            if value in self.high:
                raise contradiction(("low", index), f"{value} is both high and low; remove it from one of them")
        return self

    def of(self, value: str | None) -> Priority:
        """Return the priority of a message whose field or header has this value; None is missing."""
        if value in self.high:
            return Priority.HIGH
        return Priority.LOW if value in self.low else Priority.NORMAL
