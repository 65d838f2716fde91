"""What a worker holds of a context topic: the newest value of each key, within a bound. Pure."""

from collections import OrderedDict

from workers.remembering.wire import MARKER

_ENTRY_BYTES = 200  # of the dictionary and the objects, about


class Memory:
    """Keys are of a partition. Beyond `most_bytes` what was put longest ago goes first."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._values: OrderedDict[tuple[int, bytes], bytes] = OrderedDict()
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._values)

    def put(self, partition: int, key: bytes | None, value: bytes | None) -> None:
        """Take a record of the topic. No value is a tombstone; markers and records without a key are left out."""
        if key is None or key.startswith(MARKER):
            return
        self._take(partition, key)
        if value is not None:
            self._values[partition, key] = value
            self.bytes += _ENTRY_BYTES + len(key) + len(value)
            while self.bytes > self._most_bytes:
                self._take(*next(iter(self._values)))

    def get(self, partition: int, key: bytes) -> bytes | None:
        return self._values.get((partition, key))

    def drop(self, partition: int) -> None:
        """Let go of a partition that is another's now."""
        for number, key in [place for place in self._values if place[0] == partition]:
            self._take(number, key)

    def _take(self, partition: int, key: bytes) -> None:
        value = self._values.pop((partition, key), None)
        if value is not None:
            self.bytes -= _ENTRY_BYTES + len(key) + len(value)
