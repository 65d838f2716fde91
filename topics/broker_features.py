"""ApiVersions version 3: the feature levels that a cluster has finalized (KIP-584).

aiokafka 0.14 asks with version 0, which knows no features. The message format is Kafka's ApiVersionsRequest.json and
ApiVersionsResponse.json, built from aiokafka's own types. Its answer has the header of version 0 whatever its own version, so
that a broker can answer a client whose version it does not know.
"""

from io import BytesIO
from typing import Any, ClassVar

from aiokafka.protocol.api import Request, RequestStruct, Response, ResponseHeader_v0
from aiokafka.protocol.types import CompactArray, CompactString, Int16, Int32, Schema, TaggedFields

METADATA_VERSION = "metadata.version"

_RELEASES = {1: "3.0", 2: "3.1", 3: "3.2", 4: "3.3", 8: "3.4", 9: "3.5", 12: "3.6", 15: "3.7"}
_RELEASES |= {20: "3.8", 21: "3.9", 22: "4.0", 26: "4.1", 28: "4.2", 30: "4.3", 31: "4.4", 34: "4.5"}
"""The first metadata.version of each release of Apache Kafka (MetadataVersion.java)."""

_HIDING = range(30, 34)  # 4.3.0 to 4.4.0, the newest there is

_FINALIZED = 2  # the tag of the finalized features
_FEATURES = CompactArray(("name", CompactString("utf-8")), ("most", Int16), ("least", Int16), ("tags", TaggedFields))


class ApiVersionsResponseV3(Response):  # type: ignore[misc]  # aiokafka is not typed
    API_KEY = 18
    API_VERSION = 3
    SCHEMA = Schema(
        ("error_code", Int16),
        ("api_versions", CompactArray(("key", Int16), ("least", Int16), ("most", Int16), ("tags", TaggedFields))),
        ("throttle_time_ms", Int32),
        ("tags", TaggedFields),
    )


class ApiVersionsRequestV3(RequestStruct):  # type: ignore[misc]  # aiokafka is not typed
    FLEXIBLE_VERSION = True
    API_KEY = 18
    API_VERSION = 3
    RESPONSE_TYPE = ApiVersionsResponseV3
    SCHEMA = Schema(("software", CompactString("utf-8")), ("version", CompactString("utf-8")), ("tags", TaggedFields))

    def parse_response_header(self, read_buffer: Any) -> Any:
        return ResponseHeader_v0.decode(read_buffer)


class BrokerFeatures(Request[ApiVersionsRequestV3]):  # type: ignore[misc]  # aiokafka is not typed
    """Asks a broker what it speaks. One older than Kafka 2.4 makes `prepare` raise NotImplementedError."""

    API_KEY: ClassVar[int] = 18

    def build(self, request_struct_class: type[ApiVersionsRequestV3]) -> ApiVersionsRequestV3:
        return request_struct_class("nanotriage", "1", {})


def finalized_level(response: Any, feature: str) -> int | None:
    """Return the level of the feature that the whole cluster works at, None where it tells none."""
    features = response.tags.get(_FINALIZED)
    levels = {name: most for name, most, _, _ in _FEATURES.decode(BytesIO(features))} if features else {}
    return levels.get(feature)


def release_of(level: int) -> str:
    """Return the release of Apache Kafka that a metadata.version is of, such as `4.1`; no broker tells its own version."""
    newest = max((first for first in _RELEASES if first <= level), default=min(_RELEASES))
    return _RELEASES[newest] + (" or newer" if level > max(_RELEASES) else "")


def may_hide_commits(level: int) -> bool:
    """Tell whether a release of that metadata.version can leave a committed transaction undecided for its readers.

    A coordinator that finds a partition without a leader, as after a crash of all its replicas, takes the partition for
    deleted, writes no marker and calls the transaction complete (KAFKA-20734). A broker whose cluster has not finalized its
    own release yet is not recognised.
    """
    return level in _HIDING
