"""The section `limits`: what the provider allows the account, and how far we go in keeping to it."""

from typing import Annotated

from pydantic import BeforeValidator, Field

from workers.setting_base import Section, off


class LimitSettings(Section):
    """What one model of the provider's account may be asked. Every task of a worker shares it."""

    requests_per_minute: Annotated[float | None, BeforeValidator(off)] = Field(
        default=None, ge=1, description="calls a minute; unset is learned from the provider's headers, if it sends any"
    )
    tokens_per_minute: Annotated[float | None, BeforeValidator(off)] = Field(
        default=None, ge=100, description="tokens a minute, input and output; unset is learned from the headers"
    )
    shared: bool = Field(
        default=True,
        description="the limits are for all workers of the group together: each takes its partitions' share, "
        "and what the headers show unused; false takes them for each worker",
    )
    adaptive: bool = Field(
        default=True, description="find how many calls at once help, up to model.concurrency; false always makes that many"
    )
    retry_share: float = Field(
        default=0.1, gt=0, le=1, description="failed retries in proportion to first calls; more of them wait"
    )
    hedge_share: float = Field(
        default=0,
        ge=0,
        le=0.1,
        description="share of the calls that are made a second time when they are slow; the first answer counts, both cost",
    )
    most_seconds: float = Field(
        default=60, gt=0, le=3600, description="longest pause after a fault, whatever Retry-After asks for"
    )
