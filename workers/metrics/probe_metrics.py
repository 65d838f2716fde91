"""What the prober sees of the pipeline."""

from prometheus_client import Counter, Gauge, Histogram

from workers.metrics.areas import EVENT_SECONDS
from workers.metrics.declared import Declared, Exposed


class ProbeMetrics(Exposed):
    """Messages with known answers, from end to end (`nanotriage probe`)."""

    probes = Declared(Counter, "probes", "Probes, by what became of them.", ("task", "outcome"), "probes")
    probe_seconds = Declared(
        Histogram, "probe_seconds", "From sending a probe to its event.", ("task",), "seconds", EVENT_SECONDS
    )
    probes_waiting = Declared(Gauge, "probes_waiting", "Probes without an event yet.", ("task",), "probes")
    probe_silent = Declared(
        Gauge,
        "probe_silent",
        "1 while the last probe of a partition had no event in time.",
        ("topic", "partition"),
    )
