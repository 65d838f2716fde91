"""When a lane may commit: at once after a quiet time, at a steady pace under load. Pure; time is an argument.

A commit costs the brokers the same for one event as for a thousand, so under load there is a pause between two of them, in
which events gather. At low load that pause would only be latency. So a lane saves up: commits never exceed one for each pause
in the long run, and up to five may follow one another when there were none before (the generic cell rate algorithm,
ITU-T I.371).

A position may move although nothing is published: a transaction's marker and what was aborted or compacted take offsets. It
is committed when the lane has been idle for a while, and as often at most.
"""

_SAVED = 4


class Cadence:
    """The pace of one lane's commits, one for each `pause_seconds`; `idle_seconds` after the last one it is idle."""

    def __init__(self, pause_seconds: float, idle_seconds: float) -> None:
        self._pause = pause_seconds
        self._idle = idle_seconds
        self._spent_until = float("-inf")
        self._last = float("-inf")

    def wait_seconds(self, now: float) -> float:
        """Return how long the next commit has to wait."""
        return max(0.0, self._spent_until - _SAVED * self._pause - now)

    def idle(self, now: float) -> bool:
        return now - self._last >= self._idle

    def committed(self, now: float) -> None:
        self._last = now
        self._spent_until = max(self._spent_until, now) + self._pause
