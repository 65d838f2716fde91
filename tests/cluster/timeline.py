"""What the events of pods add up to: who was ready when, who went in peace. Pure."""

import signal
from collections.abc import Sequence

from tests.cluster.pod import Event

GRACE_SECONDS = 30  # of the releases in these tests: the model's time-out, 10 for a commit and 10 for the rest


def ungraceful(events: Sequence[Event]) -> list[Event]:
    """Return the exits that were not by themselves, with a good code, within their grace.

    A pod that is told to stop before it was ever ready may end by the signal: Python was not far enough to hear it, and nothing was read.
    """
    ready = {event.pod for event in events if event.what == "ready"}
    exits = [event for event in events if event.what == "exit"]
    return [event for event in exits if not _graceful(event) and (event.pod in ready or event.code != -signal.SIGTERM)]


def _graceful(event: Event) -> bool:
    return event.code == 0 and event.after is not None and event.after < GRACE_SECONDS


def fewest_ready(events: Sequence[Event], begun: int) -> int:
    """Return the smallest number of ready pods from event number `begun` on."""
    ready: set[str] = set()
    fewest: int | None = None
    for number, event in enumerate(events):
        if event.what == "ready":
            ready.add(event.pod)
        elif event.what in ("unready", "sigterm", "exit", "crash"):
            ready.discard(event.pod)
        if number == begun - 1 or (number >= begun and event.what != "ready"):
            fewest = len(ready) if fewest is None else min(fewest, len(ready))
    return fewest or 0


def most_at_once(events: Sequence[Event], since: float) -> int:
    """Return the largest number of processes from then on."""
    running: set[str] = set()
    most = 0
    for event in events:
        if event.what == "start":
            running.add(event.pod)
        elif event.what == "exit":
            running.discard(event.pod)
        if event.at >= since:
            most = max(most, len(running))
    return most


def pod_seconds(events: Sequence[Event], since: float, until: float) -> float:
    """Return how long processes ran in that time, added up."""
    began = {event.pod: event.at for event in events if event.what == "start"}
    ended = {event.pod: event.at for event in events if event.what == "exit"}
    return sum(max(0.0, min(until, ended.get(pod, until)) - max(since, at)) for pod, at in began.items())
