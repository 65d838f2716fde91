"""Which partition a record goes to: Kafka's default partitioner, so that any producer agrees with ours.

murmur2 is the hash of org.apache.kafka.common.utils.Utils.murmur2. Equal to aiokafka.partitioner.murmur2
(tests/contracts/test_aiokafka_private.py), which takes twice as long because it reads single bytes.
"""

import struct

_MIX = 0x5BD1E995
_MASK = 0xFFFFFFFF


def murmur2(data: bytes) -> int:
    """Return the unsigned 32-bit murmur2 hash with Kafka's seed."""
    size = len(data)
    hashed = 0x9747B28C ^ size
    for word in struct.unpack_from(f"<{size >> 2}I", data):
        mixed = word * _MIX & _MASK
        mixed = (mixed ^ mixed >> 24) * _MIX & _MASK
        hashed = (hashed * _MIX ^ mixed) & _MASK
    rest = size & 3
    if rest:
        hashed = (hashed ^ int.from_bytes(data[-rest:], "little")) * _MIX & _MASK
    hashed = (hashed ^ hashed >> 13) * _MIX & _MASK
    return hashed ^ hashed >> 15


def partition_of(key: bytes | None, partitions: int, keyless: int) -> int:
    """Return the partition of a key among `partitions`; a null key goes to `keyless`, which the caller rotates (KIP-480)."""
    if key is None:
        return keyless % partitions
    return (murmur2(key) & 0x7FFFFFFF) % partitions
