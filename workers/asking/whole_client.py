"""The HTTP client below the openai package: aiohttp carries each request once, and brings its answer back whole.

httpx2's way of sending (headers made anew on both sides, authentication, redirects, streams) would be a third of what a call
costs. So what is sent and what came back travel as extensions of httpx2's request and response, which are theirs in name only.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
import httpx2
from aiohttp.client_reqrep import ConnectionKey
from aiohttp.connector import Connection
from aiohttp.tracing import Trace

MOST_BYTES: Final = 32 * 1024 * 1024
"""Bytes of an answer at most, unpacked: 256 items with log-probabilities take a fifth of it."""

_ENCODINGS = frozenset({"", "identity", "gzip", "deflate"})
_NOTHING = httpx2.ByteStream(b"")
_IDLE_SECONDS = 60.0


class UnreadableError(Exception):
    """The body of an answer is too long, or packed as nobody asked for."""


@dataclass(frozen=True, slots=True)
class Whole:
    """What came back: the status, the headers by name in any case, and the body, unpacked."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def whole_of(response: httpx2.Response) -> Whole:
    """Return what `WholeClient` brought back."""
    whole: Whole = response.extensions["whole"]
    return whole


class WholeClient(httpx2.AsyncClient):
    """Follows no redirect, keeps no cookie, and has no time-out of its own: its caller has one for the whole call.

    `proxy` is the address of the proxy to go through. Whom TLS trusts is what httpx2 says: SSL_CERT_FILE, SSL_CERT_DIR, or the
    authorities of this machine.
    """

    def __init__(self, connections: int, proxy: str | None) -> None:
        super().__init__(transport=httpx2.AsyncBaseTransport(), timeout=None, follow_redirects=False, trust_env=False)
        self._connections = connections
        self._through = proxy
        self._trust = httpx2.create_ssl_context()
        self._parsed: dict[str, httpx2.URL] = {}  # as many as a route has paths
        self._session: aiohttp.ClientSession | None = None

    def build_request(self, method: str, url: httpx2.URL | str, **options: Any) -> httpx2.Request:
        """Return a request of what the package gives; it names the headers and the address in full."""
        address = str(url)
        parsed = self._parsed.get(address)
        if parsed is None:
            parsed = self._parsed[address] = httpx2.URL(address)
        sent = {"address": address, "headers": options.get("headers"), "content": options.get("content")}
        return httpx2.Request(method, parsed, stream=_NOTHING, extensions=sent)

    async def send(self, request: httpx2.Request, **_options: Any) -> httpx2.Response:
        """Return the answer to what `build_request` made. Raises UnreadableError, and httpx2.NetworkError for a connection."""
        sent = request.extensions
        try:
            async with self._opened().request(
                request.method,
                sent["address"],
                headers=sent["headers"],
                data=sent["content"],
                allow_redirects=False,
                proxy=self._through,
            ) as response:
                whole = Whole(response.status, response.headers, await _body(response))
        except aiohttp.ClientHttpProxyError as error:  # its own text has the proxy's address, which may have a password
            raise httpx2.NetworkError(f"the proxy says HTTP {error.status} {error.message}", request=request) from None
        except aiohttp.ClientResponseError as error:  # so has this; its status is made up: what came could not be read
            raise httpx2.NetworkError(error.message, request=request) from None
        except aiohttp.ClientError as error:
            raise httpx2.NetworkError(str(error), request=request) from error
        stream = httpx2.ByteStream(whole.body)
        return httpx2.Response(whole.status, stream=stream, request=request, extensions={"whole": whole})

    async def aclose(self) -> None:
        """Close every connection. Nothing is sent after it."""
        session, self._session = self._session, None
        await super().aclose()
        if session is not None:
            await session.close()

    def _opened(self) -> aiohttp.ClientSession:
        if self.is_closed:
            raise RuntimeError("the client is closed")
        if self._session is None:  # made here, because it belongs to the loop that runs
            connector = _Connector(limit=self._connections, keepalive_timeout=_IDLE_SECONDS, ssl=self._trust)
            self._session = aiohttp.ClientSession(
                connector=connector, timeout=aiohttp.ClientTimeout(total=None), cookie_jar=aiohttp.DummyCookieJar()
            )
        return self._session


class _Connector(aiohttp.TCPConnector):
    """Uses no connection again on which something came that nobody had asked for: aiohttp takes it for the next call's answer.

    A server that sends a 408 before it closes costs a call that way, and one that answers twice answers each call after it
    with the one before (RFC 9112, section 6.3).
    """

    async def _get(self, key: ConnectionKey, traces: list[Trace]) -> Connection | None:
        while (connection := await super()._get(key, traces)) is not None:
            if connection.protocol is not None and not connection.protocol.should_close:
                return connection
            connection.close()
        return None


async def _body(response: aiohttp.ClientResponse) -> bytes:
    headers = response.headers
    encoding = headers.get("Content-Encoding", "").lower()
    if encoding not in _ENCODINGS:
        raise UnreadableError(f"the answer is packed with {encoding[:20]!a}, which was not asked for")
    length = headers.get("Content-Length", "")
    told = length.isascii() and length.isdigit() and "Transfer-Encoding" not in headers
    if told and not encoding and int(length) <= MOST_BYTES:
        return await response.read()  # HTTP ends such a body there: the usual case, and the cheap one
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > MOST_BYTES:
            raise UnreadableError(f"the answer is longer than {MOST_BYTES // 1024 // 1024} MiB")
    return bytes(body)
