"""The section `guard`: what is done so that messages which share a call answer for themselves alone."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from workers.setting_base import Section, off


class GuardSettings(Section):
    """How much is asked again to see whether sharing a call changes labels, and how much of it is bearable."""

    share: float = Field(
        default=0.002,
        ge=0,
        le=0.5,
        description="share of the messages that are asked again alone, and of the calls that are asked again in another order, "
        "to see whether labels depend on the company; 0 is off",
    )
    flips: float = Field(
        default=0.02,
        gt=0,
        le=0.5,
        description="share of the messages whose labels may be others than alone; above it batches get smaller",
    )
    firewall: Annotated[Literal["suspicious", "always"] | None, BeforeValidator(off)] = Field(
        default="suspicious",
        description="texts that speak to the model are asked about alone, and messages whose answer is known stand beside "
        "doubtful ones: a wrong one voids the call; always sets them beside everybody, off does neither",
    )
