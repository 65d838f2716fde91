"""A model that counts what it is asked, around any other."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from workers.asking.model import Answer, Barred, Call, Fault, Model, TryAgain, Unclear


@dataclass(slots=True)
class Meter:
    """Calls by what came back, tokens as the provider counted them, and who answered.

    `seconds` are those of the answers. `barred` is why the account or set-up is at fault, `trouble` why the last call failed
    that another try may mend.
    """

    calls: Counter[str] = field(default_factory=Counter)
    tokens: Counter[str] = field(default_factory=Counter)
    models: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    barred: str | None = None
    trouble: str | None = None

    def count(self, result: Answer | Fault | Unclear) -> None:
        self.calls[type(result).__name__.lower()] += 1
        if isinstance(result, Answer):
            self.tokens.update(input=result.usage.input, cached=result.usage.cached, output=result.usage.output)
            self.models[result.model] += 1
            self.barred = self.trouble = None
        elif isinstance(result, Barred):
            self.barred = result.why
        elif isinstance(result, TryAgain):
            self.trouble = result.why


class MeteredModel:
    """A `Model`."""

    def __init__(self, inner: Model, meter: Meter, clock: Callable[[], float] = time.monotonic) -> None:
        self._inner = inner
        self._meter = meter
        self._clock = clock

    async def ask(self, call: Call) -> Answer | Fault | Unclear:
        started = self._clock()
        result = await self._inner.ask(call)
        self._meter.count(result)
        if isinstance(result, Answer):
            self._meter.seconds.append(self._clock() - started)
        return result

    async def close(self) -> None:
        await self._inner.close()
