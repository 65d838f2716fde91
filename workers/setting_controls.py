"""The section `controls`: how workers can be told something while they run."""

from typing import Annotated

from pydantic import Field, StringConstraints

from workers.setting_base import Section

_LONGEST = 230  # leaves room for the names that are made of it


class ControlSettings(Section):
    """Where the controls are."""

    topic: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]+$", max_length=_LONGEST)] | None = Field(
        default=None,
        description="compacted topic through which `nanotriage control` reaches the workers of one group; unset is none",
    )
