"""Controls: what an operator wants of running workers, and what each of them answers.

A control is the whole of what is wanted of its key, never a difference, so the last one of a key is all that a worker needs,
and a compacted topic keeps just that. Keys are task names, and `*` for every task. What a control does not say is as the
settings have it.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, TypeAdapter, ValidationError

from schemas.fields import Frozen, Name

EVERY_TASK = "*"
Said = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]+$", max_length=300, strip_whitespace=True)]

Weight = Annotated[float, Field(ge=0.05, le=20)]


class BatchLimits(Frozen):
    """How large a batch may be and how long it may wait for company. Null is what the settings say, and the most there is."""

    max_items: int | None = Field(default=None, ge=1, le=256)
    max_tokens: int | None = Field(default=None, ge=256, description="Of a whole call, prompt and answer.")
    linger_seconds: float | None = Field(default=None, ge=0, le=60)


class Budget(Frozen):
    """What all workers of the group may use together. Null is what the settings say; headers may lower it."""

    requests_per_minute: float | None = Field(default=None, ge=1)
    tokens_per_minute: float | None = Field(default=None, ge=100)
    part: float = Field(default=1.0, gt=0, le=1, description="Part of the limits that is used, wherever they are known from.")


class _Control(Frozen):
    version: int = Field(ge=1, description="Grows with every change of this key: a worker refuses one that does not.")
    by: Said = Field(description="Who wants it.")
    because: Said = Field(description="Why.")
    paused: bool = Field(default=False, description="Nothing more is read; what was read is finished.")


class TaskControl(_Control):
    """All that is wanted of one task."""

    event: Literal["nanotriage.task_control.v1"] = "nanotriage.task_control.v1"
    task: Name
    labels: Literal["publish", "escalate"] = Field(
        default="publish",
        description="`escalate`: nothing is labelled, every answered message is escalated as `held_back`.",
    )
    batching: BatchLimits = BatchLimits()
    tenants: dict[str, Weight] = Field(
        default={}, max_length=1000, description="How much of the model a tenant gets in proportion to others, who have 1."
    )


class FleetControl(_Control):
    """All that is wanted of every task together. A task is paused when this or its own control says so."""

    event: Literal["nanotriage.fleet_control.v1"] = "nanotriage.fleet_control.v1"
    budget: Budget = Budget()

    @property
    def task(self) -> str:
        return EVERY_TASK


Control = TaskControl | FleetControl
_CONTROLS: TypeAdapter[Control] = TypeAdapter(Annotated[Control, Field(discriminator="event")])


class NotRun(Frozen):
    """A control that a worker does not run."""

    version: int | None = Field(description="Null where the record could not be read.")
    why: str


class Run(Frozen):
    """What a worker runs of one key."""

    version: int = Field(ge=0, description="Of the control that is run; 0 is none, and the settings hold.")
    paused: bool = Field(default=False, description="Whether nothing of the task is read.")
    refused: NotRun | None = Field(default=None, description="A later control that is not run.")


class ControlAck(Frozen):
    """What one worker runs of every key. Published when that changes, and every few seconds as a sign of life."""

    event: Literal["nanotriage.control_ack.v1"] = "nanotriage.control_ack.v1"
    worker: str
    runs: dict[str, Run] = Field(description="By task, and `*`.")


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A record of a controls topic that is no control."""

    why: str


def control_of(key: bytes | None, value: bytes) -> Control | Unreadable:
    """Return what a record of a controls topic wants."""
    try:
        control = _CONTROLS.validate_json(value)
    except ValidationError as error:
        problem = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(str(part) for part in problem["loc"][1:])
        return Unreadable(f"{place}: {problem['msg']}" if place else problem["msg"])
    if key != control.task.encode():
        return Unreadable(f"its key is not {control.task}")
    return control


def ack_of(value: bytes | None) -> ControlAck | None:
    """Return what a record of an acknowledgement topic says, None for what is none."""
    try:
        return ControlAck.model_validate_json(value or b"")
    except ValidationError:
        return None
