"""A provider with an account, in virtual time: a minute's limits enforced over one second, and headers about the minute.

Requests and tokens are counted on arrival, as a prompt and all room for the answer, and settled when the answer is known.
"""

import asyncio
from dataclasses import dataclass, field

from workers.allowance import Allowance, Allowances
from workers.limiting.outcome import Answered, Limited


@dataclass
class Meter:
    """A bucket of `seconds` of a minute's limit."""

    per_minute: float
    seconds: float
    level: float = -1.0
    at: float = 0.0

    def refill(self, now):
        full = self.per_minute / 60 * self.seconds
        self.level = full if self.level == -1.0 else min(full, self.level + (now - self.at) * self.per_minute / 60)
        self.at = now
        return self.level


@dataclass
class MeteredProvider:
    """`call` takes its time and returns an outcome. `admitted` and `refused` are the times of arrival."""

    requests_per_minute: float
    tokens_per_minute: float
    seconds: float = 0.5
    headers: bool = False
    after_seconds: float | None = 1.0
    admitted: list = field(default_factory=list)
    refused: list = field(default_factory=list)
    finished: list = field(default_factory=list)

    def __post_init__(self):
        rates = (self.requests_per_minute, self.tokens_per_minute)
        self.second = [Meter(rate, 1.0) for rate in rates]
        self.minute = [Meter(rate, 60.0) for rate in rates]

    async def call(self, reserved, used):
        now = asyncio.get_running_loop().time()
        for meter in (*self.second, *self.minute):
            meter.refill(now)
        amounts = (1, reserved)
        if any(m.level < min(a, m.per_minute / 60) for m, a in zip(self.second, amounts, strict=True)):
            self.refused.append(now)
            return Limited(self.after_seconds, allowances=self._allowances())
        self._take(amounts)
        self.admitted.append((now, used))
        try:
            await asyncio.sleep(self.seconds)
        finally:  # it finishes whatever nobody waits for any more
            self._take((0, used - reserved))
        self.finished.append((asyncio.get_running_loop().time(), used))
        return Answered(used, self._allowances())

    def _take(self, amounts):
        for meters in (self.second, self.minute):
            for meter, amount in zip(meters, amounts, strict=True):
                meter.level -= amount

    def _allowances(self):
        if not self.headers:
            return Allowances()
        told = [Allowance(m.per_minute, max(0, m.level), max(0, 60 - m.level / m.per_minute * 60)) for m in self.minute]
        return Allowances(*told)
