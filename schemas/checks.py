"""Checks: rules over the fields of one message, in the words of a task file. A message that breaks one is escalated."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from schemas.checkdigits import Scheme
from schemas.fields import Frozen, ImportPath, Name, contradiction


class RequiresCheck(Frozen):
    """When `when` has one of `labels`, `field` must be known."""

    check: Literal["requires"]
    when: Name
    labels: tuple[Name, ...] = Field(min_length=1)
    field: Name


class OneOfCheck(Frozen):
    """The value of `field` must be one of `values` (compared without case)."""

    check: Literal["one_of"]
    field: Name
    values: tuple[str, ...] = Field(min_length=1)


class RangeCheck(Frozen):
    """The number or amount in `field` must lie between `least` and `most`, both included."""

    check: Literal["range"]
    field: Name
    least: float | None = None
    most: float | None = None

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if self.least is None and self.most is None:
            raise contradiction((), "a range check needs `least`, `most` or both; add one")
        if self.least is not None and self.most is not None and self.least > self.most:
            raise contradiction(("least",), f"least {self.least} is above most {self.most}; exchange them")
        return self


class CheckDigitCheck(Frozen):
    """The check digits of `field` must be right; spaces and hyphens do not count (`schemas.checkdigits`)."""

    check: Literal["check_digit"]
    field: Name
    scheme: Scheme


class FunctionCheck(Frozen):
    """The user's own check: `function(fields: dict, text: str) -> str | None` returns what is wrong, or None."""

    check: Literal["function"]
    function: ImportPath


Check = Annotated[RequiresCheck | OneOfCheck | RangeCheck | CheckDigitCheck | FunctionCheck, Field(discriminator="check")]
