"""When a run was back at full rate, from samples of what is committed. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

WINDOW_SECONDS = 3.0
FULL = 0.9  # of the rate at which messages come


@dataclass(frozen=True, slots=True)
class Sample:
    """So many messages were committed, and so many were sent, at this second of the run."""

    at_seconds: float
    done: int
    sent: int


def recovery_seconds(samples: Sequence[Sample], ended_at: float, rate: float) -> float | None:
    """Return how long after `ended_at` the committed rate was full again, or None if it never was.

    It is, from the moment on after which 90 % of `rate` is committed over three seconds, or nothing is left to do.
    `samples` are in the order of time.
    """
    for index, sample in enumerate(samples):
        if sample.at_seconds < ended_at:
            continue
        after = next((s for s in samples[index:] if s.at_seconds >= sample.at_seconds + WINDOW_SECONDS), samples[-1])
        seconds = after.at_seconds - sample.at_seconds
        if after.done >= after.sent or (seconds > 0 and after.done - sample.done >= FULL * rate * seconds):
            return sample.at_seconds - ended_at
    return None


def longest_standstill_seconds(samples: Sequence[Sample]) -> float:
    """Return the longest time between two samples that show more done than before."""
    longest, last = 0.0, samples[0] if samples else None
    for sample in samples:
        if last is not None and sample.done > last.done:
            longest = max(longest, sample.at_seconds - last.at_seconds)
            last = sample
    return longest
