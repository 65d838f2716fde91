"""What the application that adds summaries up sees of drift."""

from prometheus_client import Gauge

from workers.metrics.declared import Declared, Exposed

_ABOUT = ("task", "tenant", "model", "kind", "field")


class DriftMetrics(Exposed):
    """Whether traffic is still what it was (`nanotriage stateful rollups`)."""

    drift_alert = Declared(Gauge, "drift_alert", "1 while traffic is no longer what it was: alert on it.", _ABOUT)
    drift_size = Declared(
        Gauge,
        "drift_size",
        "How far the last look is from before: population stability index of distributions, ratio of shares and costs.",
        _ABOUT,
    )
    drift_evidence = Declared(
        Gauge,
        "drift_evidence",
        "Evidence of the last look that something has changed, as a part of what an alert takes; its size counts too.",
        _ABOUT,
        "share",
    )
