"""What the model's route can do, as rows of `nanotriage doctor`: found by asking as a worker does, and beside it."""

import asyncio

from schemas.task import Task
from workers.asking.capabilities import Capabilities, Capability
from workers.asking.model import Model
from workers.asking.route import Route, Wishes, open_route
from workers.commands.doctor_checks import Check
from workers.setting_model import ModelSettings
from workers.wiring.model import dialect_of, secure_draw, wishes_of

ANSWERS_SECONDS = 60.0

_SMALL = Task.model_validate(
    {
        "name": "doctor",
        "source": {"topic": "doctor.in", "text": "body"},
        "instructions": "Label the message.",
        "fields": {"kind": {"kind": "label", "labels": {"question": "asks something", "statement": "says something"}}},
        "routes": {"labelled": "doctor.labelled", "escalated": "doctor.escalated", "dead": "doctor.dead"},
    }
)
_NO_CONCERN = {
    Capability.SERVICE_TIER,
    Capability.RATE_HEADERS,
    Capability.STORE,
    Capability.DECISIONS,
    Capability.SYSTEMONE,
}


async def check_route(model: Model, settings: ModelSettings) -> list[Check]:
    """Ask a harmless question of a task of two labels, a handful of times; some hundred tokens are spent."""
    dialect, wishes = dialect_of(settings), wishes_of(settings)
    try:
        async with asyncio.timeout(ANSWERS_SECONDS):
            route = await open_route(model, _SMALL, dialect, wishes, secure_draw)
            if not isinstance(route, Route):
                return [Check("model route", "fail", route.why, "correct the model settings, or try again later")]
            found = route.capabilities
            for capability in (Capability.DECISIONS, Capability.SYSTEMONE) if wishes.backend == "auto" else ():
                found = await _also(model, capability, settings, found)
    except TimeoutError:
        return [Check("model route", "fail", f"no answer within {ANSWERS_SECONDS:g} s", "raise the endpoint's speed, or wait")]
    backend = route.backend
    opened = Check("model route", "ok", f"{backend.model} answers, labels are judged by {backend.signal.value}")
    return [opened, *(_row(capability, found) for capability in Capability if _asked(capability, found))]


async def _also(model: Model, capability: Capability, settings: ModelSettings, found: Capabilities) -> Capabilities:
    """Learn whether the route has a decision route beside chat. A trouble there says nothing."""
    if _asked(capability, found):
        return found
    wishes = Wishes("decisions" if capability is Capability.DECISIONS else "systemone", decisions_model=settings.decisions_name)
    route = await open_route(model, _SMALL, dialect_of(settings), wishes, secure_draw)
    if isinstance(route, Route):
        return found.found((capability,))
    return found.missed(capability, route.why)


def _asked(capability: Capability, found: Capabilities) -> bool:
    return capability in found.has or capability in found.lacks


def _row(capability: Capability, found: Capabilities) -> Check:
    name = f"model {capability.value}"
    if capability in found.has:
        return Check(name, "ok", "yes")
    return Check(name, "ok" if capability in _NO_CONCERN else "warn", f"no: {found.lacks[capability]}")
