"""The application that adds summaries up. The rollups topic is its table's changelog: a record for each window and row."""

from collections.abc import Callable
from typing import Any

import faust

from workers.stateful.windows import Windows, after
from workers.summing import rollups_of


def rollups(app: faust.App, windows: Windows, summaries: str, partitions: int, now_ms: Callable[[], int]) -> faust.App:
    """Give the application its table and its agent. A summary's receipt is given back when its rows are in the log."""
    raw: dict[str, Any] = {"key_serializer": "raw", "value_serializer": "raw", "key_type": bytes, "value_type": bytes}
    source = app.topic(summaries, **raw)
    table = app.Table(
        "rollups",
        key_type=bytes,
        value_type=bytes,
        partitions=partitions,
        changelog_topic=app.topic(
            rollups_of(summaries), internal=True, acks=False, allow_empty=True, partitions=partitions, **raw
        ),
    )

    async def add(stream: Any) -> None:
        async for event in stream.noack().events():
            message, sent = event.message, None
            for window, sums in windows.changes(message.value):
                key = window.key()
                value = after(table.data.get(key), message.offset, sums)
                sent = table.send_changelog(message.partition, key, value, "raw", "raw")
                table.data[key] = value
                windows.take(key, value)
            if sent is None:
                event.ack()
            else:
                sent.add_done_callback(_acknowledge(event))

    async def recovered() -> None:
        for key, value in table.data.items():
            windows.take(key, value)

    async def sweep() -> None:
        for window in windows.over(now_ms()):
            table.data.pop(window.key(), None)
            windows.rows.pop(window, None)

    app.agent(source, name="add")(add)
    table.on_recover(recovered)
    app.timer(interval=30.0, name="sweep")(sweep)
    return app


def _acknowledge(event: Any) -> Callable[[Any], None]:
    return lambda done: None if done.cancelled() or done.exception() else event.ack()
