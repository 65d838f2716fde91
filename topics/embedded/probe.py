"""Ask a broker, over a plain socket, whether it is truly ready: two requests of the Kafka protocol."""

import socket
import struct

METADATA, FIND_COORDINATOR = 3, 10  # API keys, both spoken in version 1
GROUP, TRANSACTION = 0, 1  # coordinator types
TIMEOUT_SECONDS = 2.0


class Reader:
    """Reads the protocol's primitive types from the front of an answer."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    def number(self, layout: str) -> int:
        (value,) = struct.unpack_from(f">{layout}", self._content, self._at)
        self._at += struct.calcsize(layout)
        return int(value)

    def skip_string(self) -> None:
        size = self.number("h")
        self._at += max(size, 0)  # -1 is null


def ready(port: int, expected: frozenset[int]) -> bool:
    """Whether this broker sees all the expected brokers alive and the group and transaction coordinators are chosen.

    Choosing them makes their internal topics, so a transactional producer and a consumer group can start at once.
    """
    try:
        with socket.create_connection(("127.0.0.1", port), TIMEOUT_SECONDS) as connection:
            return expected <= _brokers(connection) and all(_chosen(connection, kind) for kind in (GROUP, TRANSACTION))
    except OSError:
        return False


def _brokers(connection: socket.socket) -> frozenset[int]:
    answer = _ask(connection, METADATA, struct.pack(">i", 0))  # of no topics
    brokers = set()
    for _ in range(answer.number("i")):
        brokers.add(answer.number("i"))
        answer.skip_string()  # host
        answer.number("i")  # port
        answer.skip_string()  # rack
    return frozenset(brokers)


def _chosen(connection: socket.socket, kind: int) -> bool:
    answer = _ask(connection, FIND_COORDINATOR, _string("nanotriage-probe") + struct.pack(">b", kind))
    answer.number("i")  # throttle time
    return answer.number("h") == 0  # error code


def _ask(connection: socket.socket, api_key: int, body: bytes) -> Reader:
    request = struct.pack(">hhi", api_key, 1, 0) + _string("nanotriage") + body
    connection.sendall(struct.pack(">i", len(request)) + request)
    (size,) = struct.unpack(">i", _receive(connection, 4))
    answer = Reader(_receive(connection, size))
    answer.number("i")  # correlation id: one request at a time
    return answer


def _receive(connection: socket.socket, size: int) -> bytes:
    content = b""
    while len(content) < size:
        part = connection.recv(size - len(content))
        if not part:
            raise ConnectionError("the broker closed the connection")
        content += part
    return content


def _string(text: str) -> bytes:
    return struct.pack(">h", len(text)) + text.encode()
