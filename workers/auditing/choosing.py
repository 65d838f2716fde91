"""Choosing: which labelled messages are put up for audit. Pure."""

from hashlib import blake2b

_BYTES = 8


class Choice:
    """Chooses a share of event ids by a keyed hash (BLAKE2b, RFC 7693).

    The same id is chosen again by every worker with the key, so a replay puts up the same messages. Who does not know the key
    cannot tell which messages are audited.
    """

    def __init__(self, share: float, key: bytes) -> None:
        self._below: int = round(share * 256**_BYTES)
        self._key = blake2b(key, digest_size=32, person=b"audit").digest()

    def chooses(self, event_id: str) -> bool:
        digest = blake2b(event_id.encode(), digest_size=_BYTES, key=self._key).digest()
        return int.from_bytes(digest, "big") < self._below
