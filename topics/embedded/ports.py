"""Free ports that stay ours while a node is down."""

import socket
from contextlib import ExitStack
from pathlib import Path

from topics.embedded.errors import EmbeddedKafkaError

LOWEST = 20_000
FALLBACK_LOWEST_OF_CLIENTS = 32_768


def is_free(port: int) -> bool:
    """Whether a server could listen on the port of the loopback interface."""
    with socket.socket() as server:
        return _bind(server, port)


def free_ports(count: int, seed: int) -> tuple[int, ...]:
    """Return so many distinct free ports of the loopback interface, looked for from a place that depends on the seed.

    They lie below the range the kernel gives to clients: in that range another connection, even a client of the node
    itself trying to reconnect, could take the port of a node that is down. Raises EmbeddedKafkaError.
    """
    span = max(_lowest_of_clients() - LOWEST, count)
    with ExitStack() as held:
        found: list[int] = []
        for step in range(span):
            port = LOWEST + (seed * 31 + step) % span
            server = held.enter_context(socket.socket())
            if _bind(server, port):
                found.append(port)
                if len(found) == count:
                    return tuple(found)
            else:
                server.close()
    raise EmbeddedKafkaError(f"No {count} ports are free from {LOWEST} on; stop some servers and try again.")


def _bind(server: socket.socket, port: int) -> bool:
    # As Java does: a port in TIME_WAIT is free.
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        server.bind(("127.0.0.1", port))
    except OSError:
        return False
    return True


def _lowest_of_clients() -> int:
    try:
        text = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text()
    except OSError:
        return FALLBACK_LOWEST_OF_CLIENTS
    return int(text.split()[0])
