"""The fields a task may ask for. Every field may be unknown; none may be guessed."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
TopicName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,249}$")]
ImportPath = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*$")]

Line = Annotated[str, StringConstraints(pattern=r"^[^\r\n]*$", max_length=500, strip_whitespace=True)]
"""Text that stands on one line of the prompt."""

UNKNOWN = "unknown"
YES, NO = "yes", "no"


def contradiction(path: Sequence[str | int], sentence: str) -> PydanticCustomError:
    """Return the error of two parts that cannot both be meant; `path` leads from the model to the part to look at."""
    return PydanticCustomError("contradiction", "{sentence}", {"sentence": sentence, "path": tuple(path)})


class Frozen(BaseModel):
    """A value that cannot change and refuses words it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ExtractType(StrEnum):
    """What an extracted value is. The model copies it as written; we parse and normalise it (`schemas.values`)."""

    STRING = "string"
    INTEGER = "integer"
    DECIMAL = "decimal"
    MONEY = "money"  # amount with an ISO 4217 currency
    CURRENCY = "currency"  # an ISO 4217 code
    DATE = "date"  # normalised to ISO 8601
    EMAIL = "email"
    PHONE = "phone"
    IBAN = "iban"  # mod 97 checked
    PERSON = "person"
    ORGANISATION = "organisation"


LEVELS = range(2, 11)  # how many steps a scale may have: those of decision routes


class LabelField(Frozen):
    """One of a closed set. `labels` maps each label to its description; `ordered` ones are a scale's steps, least first."""

    kind: Literal["label"]
    description: Line = ""
    labels: dict[Name, Line] = Field(min_length=2, max_length=900)
    ordered: bool = False
    required: bool = True

    @model_validator(mode="after")
    def _scaled(self) -> Self:
        if self.ordered and len(self.labels) not in LEVELS:
            sentence = f"a scale has at most {LEVELS[-1]} steps and there are {len(self.labels)} labels"
            raise contradiction(("ordered",), f"{sentence}; remove `ordered`, or some of them")
        return self

    @property
    def is_yes_or_no(self) -> bool:
        """Return whether the labels are yes and no: then the description is a statement that holds or not."""
        return self.labels.keys() == {YES, NO}


class SentimentField(Frozen):
    """A label field whose labels are fixed: negative, neutral, positive."""

    kind: Literal["sentiment"]
    description: Line = "The writer's mood towards the subject of the message."
    required: bool = False


class ExtractField(Frozen):
    """A value that stands in the text. `grounded` refuses one that does not; `pattern` must match the whole value."""

    kind: Literal["extract"]
    type: ExtractType = ExtractType.STRING
    description: Line = ""
    pattern: str | None = Field(default=None, max_length=200)
    grounded: bool = True
    required: bool = False


class TextField(Frozen):
    """Free text of the model's own, such as a one-line summary. Never grounded, never a label."""

    kind: Literal["text"]
    description: Line = ""
    max_chars: int = Field(default=200, ge=1, le=2000)
    required: bool = False


TaskField = Annotated[LabelField | SentimentField | ExtractField | TextField, Field(discriminator="kind")]

SENTIMENTS: dict[str, str] = {
    "negative": "complains, is upset or reports something bad",
    "neutral": "asks or states without emotion",
    "positive": "thanks, praises or is pleased",
}
