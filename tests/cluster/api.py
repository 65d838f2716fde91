"""The API server, asked directly: one request, one object. For what kubectl and Helm have no word for, or too many."""

import http.client
import json
import ssl
import threading
from http import HTTPStatus
from typing import Any

from tests.cluster.identities import Certificate, Identities

Object = dict[str, Any]
MERGE, STRATEGIC = "application/merge-patch+json", "application/strategic-merge-patch+json"
ANSWER_SECONDS = 30


class Refused(Exception):
    """The server said no, by this HTTP status and sentence."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message = code, message


class Api:
    """A user of the server, with a connection a thread. Each method raises Refused, and OSError where there is no server."""

    def __init__(self, address: str, identities: Identities, own: Certificate) -> None:
        self._address = address
        self._tls = ssl.create_default_context(cafile=str(identities.authority))
        self._tls.load_cert_chain(own.cert, own.key)
        self._local = threading.local()
        self._opened: list[http.client.HTTPSConnection] = []

    def get(self, path: str) -> Object:
        return self.ask("GET", path)

    def items(self, path: str) -> list[Object]:
        """Return the objects of a list, such as `/api/v1/namespaces/triage/pods?labelSelector=a%3Db`."""
        return list(self.ask("GET", path)["items"])

    def post(self, path: str, body: Object) -> Object:
        return self.ask("POST", path, body)

    def patch(self, path: str, body: Object, kind: str = STRATEGIC) -> Object:
        return self.ask("PATCH", path, body, kind)

    def delete(self, path: str, grace_seconds: int | None = None) -> Object:
        """Delete an object. The grace goes into the body: beside a body the server does not look at the query."""
        options: Object = {"kind": "DeleteOptions", "apiVersion": "v1"}
        if grace_seconds is not None:
            options["gracePeriodSeconds"] = grace_seconds
        return self.ask("DELETE", path, options)

    def ready(self) -> bool:
        """Whether the server answers, and has made the roles that its own clients need."""
        try:
            return self._answer("GET", "/readyz", None, "application/json")[0] == HTTPStatus.OK
        except OSError:
            return False

    def close(self) -> None:
        for connection in self._opened:
            connection.close()

    def ask(self, method: str, path: str, body: Object | None = None, kind: str = "application/json") -> Object:
        content = None if body is None else json.dumps(body).encode()
        try:
            status, said = self._answer(method, path, content, kind)
        except (
            http.client.RemoteDisconnected,
            BrokenPipeError,
            ConnectionResetError,
            ssl.SSLEOFError,
        ):  # an idle connection had been closed
            status, said = self._answer(method, path, content, kind)
        if status >= HTTPStatus.BAD_REQUEST:
            raise Refused(status, _message(said))
        return dict(json.loads(said))

    def _answer(self, method: str, path: str, content: bytes | None, kind: str) -> tuple[int, bytes]:
        connection = self._connection()
        try:
            connection.request(method, path, content, {"Content-Type": kind, "Accept": "application/json"})
            response = connection.getresponse()
            return response.status, response.read()
        except OSError:
            connection.close()  # the next request opens it anew
            raise
        except http.client.HTTPException as error:
            connection.close()
            raise OSError(f"{method} {path}: {error!r}") from error

    def _connection(self) -> http.client.HTTPSConnection:
        if not hasattr(self._local, "connection"):
            self._local.connection = http.client.HTTPSConnection(self._address, context=self._tls, timeout=ANSWER_SECONDS)
            self._opened.append(self._local.connection)
        found: http.client.HTTPSConnection = self._local.connection
        return found


def _message(said: bytes) -> str:
    try:
        return str(json.loads(said)["message"])
    except (ValueError, KeyError, TypeError):
        return said[:300].decode(errors="replace")
