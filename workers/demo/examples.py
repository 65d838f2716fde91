"""A few events to look at: three of each kind, taken in turns from the tasks. Pure."""

import base64
from collections.abc import Sequence
from typing import Any

import orjson

from schemas.events import EventKind
from workers.demo.tally import Published, Seen, Sent, Tally

SHOWN = 3


def examples(tally: Tally, tasks: Sequence[str]) -> list[tuple[Sent, Seen]]:
    """Return up to three events of each kind, as many tasks and reasons among them as there are."""
    return [pair for kind in EventKind for pair in _of_kind(kind, tally, tasks)]


def as_json(sent: Sent, seen: Seen) -> dict[str, Any]:
    """Return an event whole, as it lies on its topic."""
    return {
        "kind": seen.event.kind.value,
        "task": sent.task,
        "topic": seen.record.topic,
        "headers": {name: value.decode("utf-8", "backslashreplace") for name, value in seen.record.headers},
        "value": _value(seen.event.kind, seen.record),
    }


def _of_kind(kind: EventKind, tally: Tally, tasks: Sequence[str]) -> list[tuple[Sent, Seen]]:
    queues = [
        [(sent, seen[0]) for _, sent, seen in tally.of_task(task) if seen and seen[0].event.kind is kind] for task in tasks
    ]
    found: list[tuple[Sent, Seen]] = []
    said: set[tuple[str, str | None]] = set()
    for again in (False, True):  # first one of each task and reason, then whatever there is
        for place in range(max(map(len, queues), default=0)):
            for queue in queues:
                if len(found) >= SHOWN:
                    return found
                if place >= len(queue) or queue[place] in found:
                    continue
                mark = (queue[place][0].task, queue[place][1].event.reason)
                if again or mark not in said:
                    said.add(mark)
                    found.append(queue[place])
    return found


def _value(kind: EventKind, record: Published) -> Any:
    if record.value is None:
        return None
    if kind is EventKind.DEAD:
        return {"base64": base64.b64encode(record.value).decode()}
    return orjson.loads(record.value)
