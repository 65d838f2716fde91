"""What is measured: the model's behaviour, how many messages come and how, and what ends a run. Values only."""

from dataclasses import dataclass, replace
from typing import Literal

BATCH, CALLS, PARTITIONS = 16, 32, 6

Change = Literal["start", "kill"]


@dataclass(frozen=True, slots=True)
class Regime:
    """One kind of run. `most_seconds` counts from the first event; a run that reaches it is measured as far as it came.

    `per_second` None has all messages there before the run; `rpm` and `tpm` are the model's limits a minute; `changes`
    start a process or kill the oldest with SIGKILL, each when that share of the messages is done. `subject_seconds` is the longest
    run of those in `closely`, whose figures are compared closely; the others' may be shorter. The first `skip` of the
    events does not count: start-up, and where CPU decides, the warming up of a JVM; what comes after `window_seconds` neither.
    In a `full` run the worker does all it does by default and holds 10,000 messages; in others it leaves out the guard's second
    questions, which no peer asks.
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
    processes: int = 1
    changes: tuple[tuple[float, Change], ...] = ()
    drains: bool = False
    only: tuple[str, ...] | None = None
    skip: float = 0.1
    window_seconds: float | None = None
    rounds: int = 1
    closely: tuple[str, ...] = ("worker", "bare")
    full: bool = False

    def seconds_of(self, peer: str) -> float:
        """Return the longest run of this peer."""
        return self.subject_seconds if peer in self.closely else self.most_seconds

    @property
    def limits(self) -> tuple[str, ...]:
        named = (("--rpm", self.rpm), ("--tpm", self.tpm))
        return tuple(word for flag, value in named if value is not None for word in (flag, str(value)))


CPU = Regime(
    "cpu",
    "a model that answers in 5 ms: what the machine can do",
    ("--latency-ms", "5", "--no-texts"),
    messages=300_000,
    most_seconds=14,
    subject_seconds=36,
    latency_ms=5,
    skip=1 / 3,
    rounds=2,
    full=True,
)
LATENCY = Regime(
    "latency",
    f"a model that takes 300 ms, {CALLS} calls at once",
    ("--latency-ms", "300", "--no-texts"),
    messages=60_000,
    most_seconds=6,
    subject_seconds=25,
    latency_ms=300,
    only=("worker", "bare"),
)
RATE = Regime(
    "rate",
    "300 requests and 950,000 tokens a minute, kept over a second; a model that takes 300 ms",
    ("--latency-ms", "300", "--no-texts"),
    messages=8_000,
    most_seconds=17,
    subject_seconds=72,
    latency_ms=300,
    rpm=300,
    tpm=950_000,
    window_seconds=60,
    only=("worker", "faust", "arroyo", "quix-threads", "faststream", "parallel", "flink"),
    closely=("worker",),
)
KILL = Regime(
    "kill",
    "kill -9 when half is done, and a new process",
    ("--latency-ms", "50", "--jitter-ms", "150"),
    messages=10_000,
    most_seconds=40,
    subject_seconds=40,
    latency_ms=125,
    changes=((0.5, "kill"), (0.5, "start")),
    drains=True,
)
LOW = Regime(
    "low",
    "one message a second, a model that takes 300 ms",
    ("--latency-ms", "300"),
    messages=30,
    most_seconds=60,
    subject_seconds=60,
    latency_ms=300,
    per_second=1.0,
    drains=True,
    only=("worker",),
)
FLEET = Regime(
    "fleet",
    "three workers share the limits of `rate`: two start, a third joins, one is killed",
    RATE.model,
    messages=6_500,
    most_seconds=95,
    subject_seconds=95,
    latency_ms=300,
    rpm=RATE.rpm,
    tpm=RATE.tpm,
    window_seconds=65,
    processes=2,
    changes=((0.25, "start"), (0.6, "kill")),
    drains=True,
    only=("worker",),
)
REGIMES = {regime.name: regime for regime in (CPU, KILL, RATE, LOW, FLEET, LATENCY)}


def quick(regime: Regime) -> Regime:
    """Return a short form that shows that everything works; its figures are rough."""
    if regime.drains:
        return replace(regime, messages=10 if regime.per_second else 4_000)
    return replace(
        regime,
        messages=max(2_000, regime.messages // 4),
        most_seconds=min(10, regime.most_seconds),
        subject_seconds=15,
        rounds=1,
    )
