"""What is known of the model at start, told once: as metrics and as log lines."""

from collections.abc import Callable
from datetime import date

from workers.asking.capabilities import Capabilities, Capability
from workers.asking.model_card import ModelCard
from workers.logs import bind
from workers.metrics import Metrics
from workers.profiles import profile_of, shutdown_sentence

_LOG = bind("nanotriage.worker")
_COMMON = {Capability.RATE_HEADERS, Capability.SERVICE_TIER, Capability.STORE}  # many routes lack them, and do well without


def tell_of_capabilities(model: str, found: Capabilities, metrics: Metrics) -> None:
    """Export and log what the route can do; one line for each thing that it lacks, with what is done instead.

    What was not asked for has no series.
    """
    for capability in Capability:
        if capability in found.has or capability in found.lacks:
            metrics.model_capability.labels(capability.value).set(capability in found.has)
    _LOG.info("model_capabilities", model=model, has=", ".join(sorted(found.has)), lacks=", ".join(sorted(found.lacks)))
    for capability, instead in sorted(found.lacks.items()):
        say = _LOG.info if capability in _COMMON else _LOG.warning
        say("model_lacks", model=model, capability=capability.value, why=instead)


def tell_of_shutdown(model: str, card: ModelCard, metrics: Metrics, today: Callable[[], date]) -> None:
    """Export the days that are left of the model, as its provider or its profile says, and warn when they are few."""
    shutdown = card.shutdown or profile_of(model).shutdown
    if shutdown is None:
        return
    metrics.model_shutdown_days.labels(model).set_function(lambda: (shutdown - today()).days)
    if (sentence := shutdown_sentence(model, shutdown, today())) is not None:
        _LOG.warning("model_shutdown", model=model, why=sentence)
