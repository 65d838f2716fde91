"""A password that may be replaced while a client lives: aiokafka keeps the one it was made with for every later connection."""

from collections.abc import Callable

from aiokafka.client import AIOKafkaClient

from topics.connection import Connection, Sasl


class _Fresh(AIOKafkaClient):  # type: ignore[misc]  # aiokafka is not typed
    """A client whose password is asked for at each connection. One that cannot be had is the last one."""

    _ask: Callable[[], str]
    _last: str

    @property
    def _sasl_plain_password(self) -> str:
        try:
            self._last = self._ask()
        except Exception:  # noqa: BLE001  # a secret's file may be gone while it is replaced; the caller's errors are its own
            return self._last
        return self._last


def keep_fresh(client: AIOKafkaClient, connection: Connection) -> None:
    """Let the client ask for the password before each connection it makes, if it may change."""
    security = connection.security
    if isinstance(security, Sasl) and callable(security.password):
        last = client._sasl_plain_password  # noqa: SLF001  # see tests/contracts/test_aiokafka_private.py
        client.__class__ = _Fresh
        client._ask, client._last = security.password, last  # noqa: SLF001  # our own
