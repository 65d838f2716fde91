"""Marks: how a probe is told from everybody else's messages. Pure.

A probe carries a header with its id and a keyed hash (BLAKE2b, RFC 7693) of id and value. A worker that has the key passes the
id on as an attribute of the event, after checking the hash; whoever has no key cannot have his messages left out of anything,
also not by copying the header to another text.
"""

from dataclasses import dataclass
from hashlib import blake2b
from hmac import compare_digest

from topics.record import Record

HEADER = "nt_probe"
ATTRIBUTE = "ce_ntprobe"
_BYTES = 16


@dataclass(frozen=True, slots=True)
class Marks:
    """Makes and checks marks with a key."""

    key: bytes

    def header(self, probe_id: str, value: bytes) -> tuple[str, bytes]:
        """Return the header of a probe; the id is letters, digits and dashes."""
        return HEADER, f"{probe_id}.{self._hash(probe_id.encode(), value)}".encode()

    def probe_of(self, record: Record) -> str | None:
        """Return the id of the probe that the record is, None for everybody else's."""
        for name, content in record.headers:
            if name == HEADER:
                probe_id, _, told = content.partition(b".")
                if compare_digest(told, self._hash(probe_id, record.value or b"").encode()):
                    return probe_id.decode(errors="replace")
        return None

    def _hash(self, probe_id: bytes, value: bytes) -> str:
        key = blake2b(self.key, digest_size=32, person=b"probe").digest()
        made = blake2b(digest_size=_BYTES, key=key)
        made.update(len(probe_id).to_bytes(4, "big") + probe_id + value)
        return made.hexdigest()
