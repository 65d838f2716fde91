"""OffsetFetch version 7: committed offsets with their metadata, only once pending transactions are decided (KIP-447).

aiokafka 0.14 stops at version 3, which answers with the offset before a transaction that is still being committed. The
message format is Kafka's OffsetFetchRequest.json and OffsetFetchResponse.json, built from aiokafka's own types.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Self

from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Boolean, CompactArray, CompactString, Int16, Int32, Int64, Schema, TaggedFields

from topics.record import Partition

NO_OFFSET = -1
UNSTABLE_OFFSET_COMMIT = 88


class OffsetFetchResponseV7(Response):  # type: ignore[misc]  # aiokafka is not typed
    API_KEY = 9
    API_VERSION = 7
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "topics",
            CompactArray(
                ("topic", CompactString("utf-8")),
                (
                    "partitions",
                    CompactArray(
                        ("partition", Int32),
                        ("offset", Int64),
                        ("leader_epoch", Int32),
                        ("metadata", CompactString("utf-8")),
                        ("error_code", Int16),
                        ("tags", TaggedFields),
                    ),
                ),
                ("tags", TaggedFields),
            ),
        ),
        ("error_code", Int16),
        ("tags", TaggedFields),
    )


class OffsetFetchRequestV7(RequestStruct):  # type: ignore[misc]  # aiokafka is not typed
    FLEXIBLE_VERSION = True
    API_KEY = 9
    API_VERSION = 7
    RESPONSE_TYPE = OffsetFetchResponseV7
    SCHEMA = Schema(
        ("group", CompactString("utf-8")),
        (
            "topics",
            CompactArray(("topic", CompactString("utf-8")), ("partitions", CompactArray(Int32)), ("tags", TaggedFields)),
        ),
        ("require_stable", Boolean),
        ("tags", TaggedFields),
    )


class StableOffsetFetch(Request[OffsetFetchRequestV7]):  # type: ignore[misc]  # aiokafka is not typed
    """Asks for one partition's committed offset. A broker older than Kafka 2.5 makes `prepare` raise NotImplementedError."""

    API_KEY: ClassVar[int] = 9

    def __init__(self, group: str, partition: Partition) -> None:
        self._group = group
        self._partition = partition

    def build(self, request_struct_class: type[OffsetFetchRequestV7]) -> OffsetFetchRequestV7:
        topics: list[Any] = [(self._partition.topic, [self._partition.number], {})]
        return request_struct_class(self._group, topics, True, {})


@dataclass(frozen=True, slots=True)
class FetchedOffset:
    """The answer for one partition. `error_code` is Kafka's, 0 when the offset is good; `offset` may be NO_OFFSET."""

    error_code: int
    offset: int
    metadata: str

    @classmethod
    def of(cls, response: Any) -> Self:
        """Read the only row of the response, or its overall error."""
        rows = [row for _, partitions, _ in response.topics for row in partitions]
        if response.error_code or not rows:
            return cls(response.error_code, NO_OFFSET, "")
        _, offset, _, metadata, error_code, _ = rows[0]
        return cls(error_code, offset, metadata or "")
