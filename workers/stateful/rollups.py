"""The application that adds summaries up, and says when what they tell is no longer what it was.

The topics of rollups, alerts and baselines are its tables' changelogs: a record for each window and row, for each alert, and
for what is compared. Alerts are in their log before the mark that their look is decided: after a kill between the two the look
is decided again, and an alert that is on is not raised again.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import faust
import orjson

from workers.logs import bind
from workers.stateful.seasons import Rule
from workers.stateful.watching import Watcher
from workers.stateful.windows import Summary, Windows, after
from workers.summing import alerts_of, baselines_of, rollups_of

_LOG = bind("nanotriage.rollups")
_RAW: dict[str, Any] = {"key_serializer": "raw", "value_serializer": "raw", "key_type": bytes, "value_type": bytes}


class _Table:
    """A table whose changelog is a topic of ours."""

    def __init__(self, app: faust.App, name: str, topic: str, partitions: int) -> None:
        log = app.topic(topic, internal=True, acks=False, allow_empty=True, partitions=partitions, **_RAW)
        self.table = app.Table(name, key_type=bytes, value_type=bytes, partitions=partitions, changelog_topic=log)

    @property
    def data(self) -> Any:
        return self.table.data

    def put(self, partition: int, key: bytes, value: bytes) -> Any:
        """Write, and return what is done once the log has it."""
        sent = self.table.send_changelog(partition, key, value, "raw", "raw")
        self.table.data[key] = value
        return sent


class Rollups:
    """The application's tables and its agent. A summary's receipt is given back when all that it changed is in the logs."""

    def __init__(
        self, app: faust.App, windows: Windows, rule: Rule, summaries: str, partitions: int, now_ms: Callable[[], int]
    ) -> None:
        self._windows, self._now_ms = windows, now_ms
        self._rows = _Table(app, "rollups", rollups_of(summaries), partitions)
        self._alerts = _Table(app, "alerts", alerts_of(summaries), partitions)
        self._baselines = _Table(app, "baselines", baselines_of(summaries), partitions)
        self.watcher = Watcher(rule, windows, self._baselines.data, self._alerts.data)
        app.agent(app.topic(summaries, **_RAW), name="add")(self._add)
        self._rows.table.on_recover(self._recovered)
        app.timer(interval=30.0, name="sweep")(self._sweep)

    async def _add(self, stream: Any) -> None:
        async for event in stream.noack().events():
            summary, partition = Summary.read(event.message.value), event.message.partition
            sent = [] if summary is None else self._count(summary, partition, event.message.offset)
            if summary is not None:
                sent += await self._watch(summary, partition)
            _acknowledge(event, sent)

    def _count(self, summary: Summary, partition: int, offset: int) -> list[Any]:
        sent = []
        for window, sums in self._windows.changes(summary):
            key = window.key()
            value = after(self._rows.data.get(key), offset, sums)
            sent.append(self._rows.put(partition, key, value))
            self._windows.take(key, value)
        return sent

    async def _watch(self, summary: Summary, partition: int) -> list[Any]:
        sent = []
        for decision in self.watcher.due(summary.task, summary.at_ms, self._now_ms()):
            told = [self._alerts.put(partition, key, value) for key, value in decision.alerts.items()]
            await asyncio.gather(*told)
            sent += [self._baselines.put(partition, key, value) for key, value in decision.state.items()]
            for value in decision.alerts.values():
                alert = orjson.loads(value)
                told_of = {name: alert[name] for name in ("because", "kind", "task", "model", "field", "size", "size_limit")}
                _LOG.warning(f"drift_{alert['state']}", **told_of)
        return sent

    async def _recovered(self) -> None:
        for key, value in self._rows.data.items():
            self._windows.take(key, value)

    async def _sweep(self) -> None:
        """Leave out of memory the windows that are over."""
        for window in self._windows.over(self._now_ms()):
            self._rows.data.pop(window.key(), None)
            self._windows.rows.pop(window, None)


def _acknowledge(event: Any, sent: Sequence[Any]) -> None:
    """Give the receipt back once everything is in its log; never when something is not."""
    left = len(sent)
    if not left:
        event.ack()

    def done(future: Any) -> None:
        nonlocal left
        left -= not (future.cancelled() or future.exception())
        if not left:
            event.ack()

    for future in sent:
        future.add_done_callback(done)
