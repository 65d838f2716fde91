"""Which keys a table in memory need not hold any longer. Pure.

What counts is when a key was last written, as for the retention of its topic and for RocksDB: a source that is read again from
long ago has old conversations that go on. A write is seen by the value, so that a standby sees those of the process it follows.
"""

from collections.abc import Mapping


class Silence:
    """Looks at a table now and then. A key is silent when its value was the same object in every look for `ttl_ms`."""

    def __init__(self, ttl_ms: int) -> None:
        self._ttl_ms = ttl_ms
        self._since: dict[bytes, tuple[int, bytes]] = {}

    def over(self, table: Mapping[bytes, bytes], now_ms: int) -> list[bytes]:
        """Return the silent keys of the table; what it does not have any more is forgotten."""
        since = {}
        for key, value in table.items():
            known = self._since.get(key)
            since[key] = known if known is not None and known[1] is value else (now_ms, value)
        self._since = since
        return [key for key, (at, _) in since.items() if at < now_ms - self._ttl_ms]
