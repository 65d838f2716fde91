"""What is measured: the model's behaviour, how many messages come and how, and what ends a run. Values only."""

from dataclasses import dataclass, replace

BATCH, CALLS, PARTITIONS = 16, 32, 6


@dataclass(frozen=True, slots=True)
class Regime:
    """One kind of run. `most_seconds` counts from the first event; a run that reaches it is measured as far as it came.

    `per_second` None has all messages there before the run; `rpm` and `tpm` are the model's limits a minute; a number of
    `kills` kills the process that often, evenly over the run, and starts it again. `subject_seconds` is the longest run of
    the worker and the bare loop, whose figures are compared closely; the field's may be shorter. The first `skip` of the
    events does not count: start-up, and where CPU decides, the warming up of a JVM.
    """

    name: str
    says: str
    model: tuple[str, ...]
    messages: int
    most_seconds: float
    subject_seconds: float
    latency_ms: float
    calls: int = CALLS
    linger_seconds: float = 0.2
    per_second: float | None = None
    rpm: float | None = None
    tpm: float | None = None
    kills: int = 0
    drains: bool = False
    only_subjects: bool = False
    skip: float = 0.1
    rounds: int = 1

    @property
    def limits(self) -> tuple[str, ...]:
        named = (("--rpm", self.rpm), ("--tpm", self.tpm))
        return tuple(word for flag, value in named if value is not None for word in (flag, str(value)))


CPU = Regime(
    "cpu",
    "a model that answers in 5 ms: what the machine can do",
    ("--latency-ms", "5", "--no-texts"),
    messages=300_000,
    most_seconds=20,
    subject_seconds=60,
    latency_ms=5,
    skip=1 / 3,
    rounds=2,
)
LATENCY = Regime(
    "latency",
    f"a model that takes 300 ms, {CALLS} calls at once",
    ("--latency-ms", "300", "--no-texts"),
    messages=60_000,
    most_seconds=12,
    subject_seconds=25,
    latency_ms=300,
)
RATE = Regime(
    "rate",
    "300 requests and 950,000 tokens a minute, kept over a second; a model that takes 300 ms",
    ("--latency-ms", "300", "--no-texts"),
    messages=8_000,
    most_seconds=25,
    subject_seconds=75,
    latency_ms=300,
    rpm=300,
    tpm=950_000,
)
KILL = Regime(
    "kill",
    "kill -9 when half is done, and a new process",
    ("--latency-ms", "50", "--jitter-ms", "150"),
    messages=20_000,
    most_seconds=60,
    subject_seconds=60,
    latency_ms=125,
    kills=1,
    drains=True,
)
LOW = Regime(
    "low",
    "one message a second, a model that takes 300 ms",
    ("--latency-ms", "300"),
    messages=40,
    most_seconds=75,
    subject_seconds=75,
    latency_ms=300,
    per_second=1.0,
    drains=True,
    only_subjects=True,
)
REGIMES = {regime.name: regime for regime in (CPU, LATENCY, RATE, KILL, LOW)}


def quick(regime: Regime) -> Regime:
    """Return a short form that shows that everything works; its figures are rough."""
    if regime.drains:
        return replace(regime, messages=10 if regime.per_second else 5_000)
    return replace(
        regime,
        messages=max(2_000, regime.messages // 4),
        most_seconds=min(10, regime.most_seconds),
        subject_seconds=15,
        rounds=1,
    )
