"""Back-off: how long to leave a provider alone after faults. Pure; chance is an argument."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Patience:
    """Doubled from `first_seconds` to `most_seconds`, which also bounds Retry-After."""

    first_seconds: float = 0.5
    most_seconds: float = 60.0

    def wait_seconds(self, asked_seconds: float | None, tries: int, jitter: float) -> float:
        """Return how long to wait after `tries` failures. `jitter` is uniform in [0, 1): it spreads a fleet's retries."""
        backoff = min(self.most_seconds, self.first_seconds * float(1 << min(tries - 1, 30))) * (0.5 + jitter / 2)
        return min(self.most_seconds, max(asked_seconds or 0.0, backoff))
