"""The sections `audit` and `promise`: what is looked at again, and what follows when a promise cannot be trusted any more."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SecretStr

from workers.setting_base import Section, off


class AuditSettings(Section):
    """Which labelled messages are put up for audit, for tasks with routes.audit."""

    share: float = Field(default=0.01, ge=0, le=1, description="share of labelled messages that also go to routes.audit")
    choice_key: SecretStr | None = Field(
        default=None,
        description="who knows it can tell which messages are audited; the same for all workers, from the environment only",
    )


class PromiseSettings(Section):
    """How a promise is watched while the worker runs."""

    on_alarm: Literal["escalate", "warn"] = Field(
        default="escalate", description="what becomes of labels when audits or scores speak against the promise"
    )
    false_alarm: float = Field(
        default=0.02, gt=0, lt=0.5, description="risk of ever raising an alarm for nothing, for each calibration"
    )
    shift: Annotated[float | None, BeforeValidator(off)] = Field(
        default=0.25,
        gt=0,
        description="shift of scores that raises an alarm once it is proven, as population stability index; off for none",
    )
