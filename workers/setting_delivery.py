"""The delivery section of the settings: what is promised of the events, and what both promises need.

A closed union told apart by `mode`, which may be left out.
"""

from typing import Annotated, Literal

from pydantic import Discriminator, Field, StringConstraints, Tag

from workers.setting_base import Section


class _Delivery(Section):
    """What both promises need."""

    commit_seconds: float = Field(default=0.2, gt=0, le=30, description="pause between two commits of a partition under load")
    summary_topic: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,249}$")] | None = Field(
        default=None, description="topic for one record of counts per commit, in its transaction; unset is none"
    )
    order: Literal["key", "partition", "none"] = Field(
        default="key", description="whose events keep the order of their messages"
    )


_MODE_HELP = "what is promised; at_least_once needs no transactions. Stop all workers of a group before it is changed"


class ExactlyOnceSettings(_Delivery):
    """Events and positions commit in one transaction."""

    mode: Literal["exactly_once"] = Field(default="exactly_once", description=_MODE_HELP)


class AtLeastOnceSettings(_Delivery):
    """Events first, then the position: a crash between them publishes some events again."""

    mode: Literal["at_least_once"] = Field(default="at_least_once", description=_MODE_HELP)


def _mode(delivery: object) -> object:
    """Return the mode of a section that may leave it out."""
    return delivery.get("mode", "exactly_once") if isinstance(delivery, dict) else getattr(delivery, "mode", None)


DeliverySettings = Annotated[
    Annotated[ExactlyOnceSettings, Tag("exactly_once")] | Annotated[AtLeastOnceSettings, Tag("at_least_once")],
    Discriminator(_mode),
]
