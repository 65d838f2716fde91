"""A provider's limits on requests and tokens a minute, enforced over a second as providers do. Pure: time is an argument.

"60,000 requests a minute may be enforced as 1,000 requests a second": each bucket holds one second of its rate (or one
request, if that is more) and fills continuously. Headers and the 429's body are those of OpenAI's API.
"""

from dataclasses import dataclass, field

_MINUTE = 60.0


@dataclass(slots=True)
class Bucket:
    """One dimension: `per_minute` units, at most a second's worth at once. It starts full."""

    name: str
    per_minute: float
    level: float = field(init=False)
    filled_at: float | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.level = self.most

    @property
    def most(self) -> float:
        return max(1.0, self.per_minute / _MINUTE)

    def fill(self, now: float) -> None:
        if self.filled_at is not None:
            self.level = min(self.most, self.level + (now - self.filled_at) * self.per_minute / _MINUTE)
        self.filled_at = now

    def missing_seconds(self, amount: float) -> float:
        """Return how long until so much is there. What is larger than the bucket waits for a full one, and overdraws it."""
        return max(0.0, min(amount, self.most) - self.level) * _MINUTE / self.per_minute

    def headers(self) -> dict[str, str]:
        reset = (self.most - self.level) * _MINUTE / self.per_minute
        return {
            f"x-ratelimit-limit-{self.name}": f"{self.per_minute:.0f}",
            f"x-ratelimit-remaining-{self.name}": f"{max(0.0, self.level):.0f}",
            f"x-ratelimit-reset-{self.name}": duration(reset),
        }


@dataclass(frozen=True, slots=True)
class Limited:
    """A call that is refused: which limit, and when there will be room."""

    bucket: Bucket
    amount: float
    after_seconds: float

    def headers(self) -> dict[str, str]:
        return {"retry-after": str(max(1, round(self.after_seconds))), "retry-after-ms": f"{self.after_seconds * 1000:.0f}"}

    def error(self, model: str) -> dict[str, str | None]:
        words = {"requests": "requests per min (RPM)", "tokens": "tokens per min (TPM)"}[self.bucket.name]
        limit, used = self.bucket.per_minute, self.bucket.most - self.bucket.level
        message = (
            f"Rate limit reached for {model} in organization org-fake on {words}: Limit {limit:.0f}, Used {used:.0f}, "
            f"Requested {self.amount:.0f}. Please try again in {duration(self.after_seconds)}."
        )
        return {"message": message, "type": self.bucket.name, "param": None, "code": "rate_limit_exceeded"}


class Limits:
    """Both limits together; None is no limit. A refused call takes nothing."""

    def __init__(self, rpm: float | None = None, tpm: float | None = None) -> None:
        wanted = (("requests", rpm), ("tokens", tpm))
        self.buckets = [Bucket(name, per_minute) for name, per_minute in wanted if per_minute is not None]

    def take(self, tokens: int, now: float) -> Limited | None:
        """Take one request of so many tokens at `now` (seconds, never falling), or say why not."""
        refused = None
        for bucket in self.buckets:
            bucket.fill(now)
            amount = 1.0 if bucket.name == "requests" else float(tokens)
            seconds = bucket.missing_seconds(amount)
            if seconds > 0 and (refused is None or seconds > refused.after_seconds):
                refused = Limited(bucket, amount, seconds)
        if refused is None:
            for bucket in self.buckets:
                bucket.level -= 1.0 if bucket.name == "requests" else tokens
        return refused

    def headers(self) -> dict[str, str]:
        return {name: value for bucket in self.buckets for name, value in bucket.headers().items()}


def duration(seconds: float) -> str:
    """Write a duration as Go does: `12ms`, `1.5s`, `6m0s`."""
    if seconds < 1:
        return f"{seconds * 1000:.0f}ms"
    minutes, rest = divmod(seconds, _MINUTE)
    written = f"{rest:.3f}".rstrip("0").rstrip(".")
    return f"{minutes:.0f}m{written}s" if minutes else f"{written}s"
