"""Windows of counts: the summaries of commits, added up by time, task, tenant and model. Pure.

A window is named by its start. Its row remembers the offset of the last summary that was added, so one that is read again
after a kill changes nothing. Rows of a task are all in one partition, because a summary's key is its task.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson

from workers.setting_model import Price
from workers.summing import VERSION, Row, added


class Window(NamedTuple):
    """What a row is about."""

    start_ms: int
    task: str
    tenant: str | None
    model: str

    def key(self) -> bytes:
        return orjson.dumps(list(self))


class Summary(NamedTuple):
    """What a commit says: when, of which task, and the sums of each tenant and model."""

    task: str
    at_ms: int
    rows: list[tuple[str | None, str, Row]]

    @classmethod
    def read(cls, value: bytes | None) -> "Summary | None":
        """Return the summary that a record holds, None for bytes that are none of this version."""
        try:
            parsed = orjson.loads(value or b"")
            rows = [(row["tenant"], row["model"], row["sums"]) for row in parsed["rows"]]
            return cls(parsed["task"], parsed["at_ms"], rows) if parsed["v"] == VERSION else None
        except (orjson.JSONDecodeError, KeyError, TypeError):
            return None


@dataclass(slots=True)
class Windows:
    """The rows held now, by window. `kept_ms` is how long; `prices` are per million tokens by model, None is unknown."""

    width_ms: int
    kept_ms: int
    prices: Mapping[str, Price]
    rows: dict[Window, Row] = field(default_factory=dict)

    def changes(self, summary: Summary) -> Iterator[tuple[Window, Row]]:
        """Yield the windows that a summary adds to, and what."""
        start = summary.at_ms // self.width_ms * self.width_ms
        return ((Window(start, summary.task, tenant, model), sums) for tenant, model, sums in summary.rows)

    def take(self, key: bytes, value: bytes | None) -> None:
        """Hold what a row of the table says."""
        window = Window(*orjson.loads(key))
        if value is None:
            self.rows.pop(window, None)
        else:
            self.rows[window] = orjson.loads(value)["sums"]

    def over(self, now_ms: int) -> list[Window]:
        """Return the windows that are no longer held."""
        return [window for window in self.rows if window.start_ms + self.width_ms + self.kept_ms < now_ms]

    def told(self) -> list[dict[str, Any]]:
        """Return every row as it is served, the oldest first."""
        return [
            {**window._asdict(), "width_ms": self.width_ms, "sums": sums, "dollars": self.dollars(window.model, sums)}
            for window, sums in sorted(self.rows.items(), key=lambda item: (item[0].start_ms, str(item[0])))
        ]

    def last_over(self, now_ms: int) -> Iterator[tuple[Window, Row]]:
        """Yield the rows of the last window that has ended."""
        start = now_ms // self.width_ms * self.width_ms - self.width_ms
        return ((window, sums) for window, sums in self.rows.items() if window.start_ms == start)

    def dollars(self, model: str, sums: Row) -> float | None:
        """Return what the window's answers cost, or None while the model's price is unknown."""
        price, tokens = self.prices.get(model), sums["tokens"]
        return None if price is None else price.dollars(tokens["input"], tokens["cached"], tokens["output"])


def after(value: bytes | None, offset: int, sums: Row) -> bytes:
    """Return a window's value after a summary of this offset; the same bytes for one that was added before."""
    if value is None:
        return orjson.dumps({"v": VERSION, "offset": offset, "sums": sums})
    now = orjson.loads(value)
    if offset <= now["offset"]:
        return value
    return orjson.dumps({"v": VERSION, "offset": offset, "sums": added(now["sums"], sums)})
