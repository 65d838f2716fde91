"""One partition's gauges, bound."""

from contextlib import suppress

from workers.metrics.areas import LaneMetrics


class PartitionMetrics:
    """One partition's gauges, absent until they are set and after `forget`: a partition is watched by one worker at a time."""

    __slots__ = ("_metrics", "_state", "_where")

    def __init__(self, metrics: LaneMetrics, topic: str, number: int) -> None:
        self._metrics, self._where = metrics, (topic, str(number))
        self._state: str | None = None

    def lag(self, records: int) -> None:
        self._metrics.lag_records.labels(*self._where).set(records)

    def not_done(self, records: int) -> None:
        self._metrics.records_not_done.labels(*self._where).set(records)

    def state(self, name: str) -> None:
        """Say that the lane is in this state and in no other."""
        if name != self._state:
            self._leave_state()
            self._metrics.lane_state.labels(*self._where, name).set(1)
            self._state = name

    def forget(self) -> None:
        self._leave_state()
        for gauge in (self._metrics.lag_records, self._metrics.records_not_done):
            with suppress(KeyError):  # it was never set
                gauge.remove(*self._where)

    def _leave_state(self) -> None:
        if self._state is not None:
            self._metrics.lane_state.remove(*self._where, self._state)
            self._state = None
