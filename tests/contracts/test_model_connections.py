"""How the client in production reaches an endpoint: through proxies, over TLS, and again and again over the same connections."""

import asyncio
import base64
import contextlib
import ssl
from dataclasses import dataclass, field, replace

import orjson
import pytest
import trustme
from aiohttp import web
from pydantic import SecretStr

from tests.contracts.model_endpoint import client, endpoint, question_of, serving, well
from tests.helpers import until
from workers.asking.model import Answer, TryAgain, Unclear
from workers.asking.openai_model import OpenAIModel
from workers.setting_model import ModelSettings
from workers.wiring.model import openai_model

VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "ssl_cert_file", "ssl_cert_dir")


@pytest.fixture(autouse=True)
def bare(monkeypatch):
    """Nothing of this machine's own proxies and authorities."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@contextlib.asynccontextmanager
async def answering(raw):
    """Whatever is asked, the bytes are the answer. Yields the port."""

    async def serve(reader, writer):
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(raw)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@dataclass
class Proxy:
    """Passes on what it is asked to, in the clear or blindly, and keeps the head of each request."""

    heads: list = field(default_factory=list)
    url: str = ""

    async def serve(self, reader, writer):
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            self.heads.append(head.decode())
            method, target, _ = self.heads[0].split(" ", 2)
            host = target.removeprefix("http://").split("/")[0]
            far_reader, far_writer = await asyncio.open_connection(*host.split(":"))
            if method == "CONNECT":
                writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            else:
                far_writer.write(head.replace(f"http://{host}".encode(), b"", 1))
            await asyncio.gather(pump(reader, far_writer), pump(far_reader, writer))
        writer.close()


async def pump(reader, writer):
    with contextlib.suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
    writer.close()


@contextlib.asynccontextmanager
async def proxying():
    proxy = Proxy()
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    proxy.url = f"http://user:word@{host}:{port}"
    async with server:
        yield proxy


@contextlib.asynccontextmanager
async def wired(server):
    """The model as a worker has it: what the settings and the environment say."""
    model = openai_model(ModelSettings(base_url=server.url, name="nano", api_key=SecretStr("given-key")))
    try:
        yield model
    finally:
        await model.close()


@pytest.fixture
def tls(tmp_path):
    """A server's side of TLS, and the file of the authority behind it."""
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    return context, tmp_path / "ca.pem"


async def test_a_call_goes_through_the_proxy_of_the_environment(monkeypatch):
    """It is shown who asks it, and an address that is spared goes past it."""
    async with serving() as server, proxying() as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        async with wired(server) as model:
            assert isinstance(await model.ask(question_of()), Answer)
        (head,) = proxy.heads
        assert head.startswith(f"POST {server.url}/chat/completions HTTP/1.1\r\n")
        assert f"Proxy-Authorization: Basic {base64.b64encode(b'user:word').decode()}\r\n" in head
        monkeypatch.setenv("no_proxy", "127.0.0.0/8")
        async with wired(server) as model:
            assert isinstance(await model.ask(question_of()), Answer)
        assert len(proxy.heads) == 1


async def test_a_proxy_of_a_secure_call_sees_neither_key_nor_text(monkeypatch, tls):
    """It is asked for a tunnel."""
    context, authority = tls
    async with serving(tls=context) as server, proxying() as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        monkeypatch.setenv("SSL_CERT_FILE", str(authority))
        async with wired(server) as model:
            assert isinstance(await model.ask(question_of()), Answer)
        (head,) = proxy.heads
        assert head.startswith("CONNECT 127.0.0.1:")
        assert "given-key" not in head


async def test_a_proxy_that_is_not_there_is_a_fault(monkeypatch):
    """Nothing goes past it."""
    async with serving() as server, proxying() as proxy:
        pass
    async with serving() as server, client(server, proxy=proxy.url) as model:
        assert isinstance(await model.ask(question_of()), TryAgain)
        assert server.requests == []


@pytest.mark.parametrize("raw", [b"HTTP/1.1 407 Who are you\r\nContent-Length: 0\r\n\r\n", b"whatever\r\n\r\n", b""])
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_no_fault_tells_the_password_of_a_proxy(scheme, raw):
    """A proxy that refuses or talks nonsense makes an error with its whole address in it."""
    async with answering(raw) as port:
        model = OpenAIModel(endpoint(f"{scheme}://127.0.0.1:1/v1", proxy=f"http://user:pass-word@127.0.0.1:{port}"))
        found = await model.ask(question_of())
        await model.close()
    assert isinstance(found, TryAgain | Unclear)
    assert "pass-word" not in str(found)


@pytest.mark.parametrize(
    ("proxied", "raw", "status"),
    [
        (True, b"HTTP/1.1 407 Who are you\r\nContent-Length: 0\r\n\r\n", "HTTP 407"),
        (False, b"whatever\r\n\r\n", None),
        (False, b"HTTP/1.1 200 OK\r\nx-long: " + b"x" * 10_000 + b"\r\n\r\n", None),
    ],
)
async def test_a_fault_tells_a_status_only_when_somebody_answered_with_it(proxied, raw, status):
    """What cannot be read as HTTP is no bad request of ours."""
    async with answering(raw) as port:
        url, proxy = (f"http://127.0.0.1:{port}{path}" for path in ("/v1", ""))
        model = OpenAIModel(endpoint("https://127.0.0.1:1/v1", proxy=proxy) if proxied else endpoint(url))
        found = await model.ask(question_of())
        await model.close()
    assert isinstance(found, TryAgain)
    assert status in found.why if status else "HTTP 4" not in found.why


async def test_tls_trusts_whom_the_environment_names_and_nobody_else(monkeypatch, tls):
    """A server that cannot prove itself is told nothing."""
    context, authority = tls
    async with serving(tls=context) as server:
        async with client(server) as model:
            refused = await model.ask(question_of())
        assert server.requests == []
        monkeypatch.setenv("SSL_CERT_FILE", str(authority))
        async with client(server) as model:
            assert isinstance(await model.ask(question_of()), Answer)
    assert isinstance(refused, TryAgain)
    assert "certificate" in refused.why.lower()


async def test_calls_share_as_many_connections_as_there_are_slots():
    """No more are opened however many calls there are, and none is opened anew for the next ones."""
    async with serving() as server, client(server, connections=3) as model:
        for _ in range(3):
            answers = await asyncio.gather(*(model.ask(question_of()) for _ in range(10)))
            assert all(isinstance(found, Answer) for found in answers)
    assert len(server.connections) <= 3


async def test_a_cancelled_call_closes_its_connection_and_the_next_one_has_its_slot():
    """The answer of a call that was given up reaches nobody else."""
    begun, ended = [], []

    async def hang(request):
        begun.append(request.transport)
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(request.transport)

    async with serving(hang) as server, client(server, connections=1) as model:
        for number in range(1, 4):
            call = asyncio.ensure_future(model.ask(question_of()))
            await until(lambda number=number: len(begun) == number)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            await until(lambda number=number: len(ended) == number)
        server.handler = None
        assert isinstance(await model.ask(question_of()), Answer)


async def test_a_connection_that_ends_under_a_call_is_a_fault_and_the_next_call_has_another():
    """A server may close what it kept open just as it is used again; a POST is not sent twice."""

    async def dropped(request):
        request.transport.abort()
        return web.Response()

    async with serving() as server, client(server, connections=1) as model:
        assert isinstance(await model.ask(question_of()), Answer)
        server.handler = dropped
        assert isinstance(await model.ask(question_of()), TryAgain)
        assert len(server.requests) == 2
        server.handler = None
        assert isinstance(await model.ask(question_of()), Answer)


async def test_an_answer_that_nobody_asked_for_is_nobodys():
    """Some servers send a 408 over an idle connection; the next call takes it neither for its own answer, nor its successor's."""
    good = orjson.dumps(await well(question_of()))
    connections = []

    async def serve(reader, writer):
        connections.append(writer)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
                await reader.readexactly(int(length.split(b":")[1]))
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(good) + good)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        model = OpenAIModel(endpoint(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", connections=1))
        for number in range(1, 4):
            assert isinstance(await model.ask(question_of()), Answer)
            assert len(connections) == number
            connections[-1].write(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 2\r\n\r\n{}")
            for _ in range(10):  # turns of the loop that both ends share: it is there at once, and is read in the next one
                await asyncio.sleep(0)
        await model.close()


async def test_a_length_that_is_not_the_bodys_bounds_it_all_the_same():
    """A body in chunks ends where its chunks end, whatever length was told beside them."""

    async def serve(reader, writer):
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\nTransfer-Encoding: chunked\r\n\r\n")
            while not writer.is_closing():
                writer.write(b"10000\r\n" + b" " * 65_536 + b"\r\n")
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        model = OpenAIModel(endpoint(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", timeout_seconds=60.0))
        found = await model.ask(question_of())
        await model.close()
    assert isinstance(found, TryAgain)
    assert "no answer within" not in found.why


async def test_headers_that_are_no_text_reach_neither_event_nor_log_as_they_are():
    """HTTP lets a header hold any bytes; an event and a log are UTF-8."""
    body = orjson.dumps(await well(question_of()))
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n" % len(body)
    found = []
    for header in (b"x-request-id: no-\xff-text", b"content-encoding: \xff"):
        async with answering(head + header + b"\r\n\r\n" + body) as port:
            model = OpenAIModel(endpoint(f"http://127.0.0.1:{port}/v1"))
            found.append(await model.ask(question_of()))
            await model.close()
    answer, fault = found
    assert isinstance(answer, Answer)
    assert answer.request_id.encode() == b"no-?-text"
    assert isinstance(fault, TryAgain)
    assert fault.why.isascii()


async def test_a_closed_client_calls_nobody():
    """A call that comes after the stop is a fault like any other."""
    async with serving() as server:
        async with client(server) as model:
            await model.close()
            assert isinstance(await model.ask(question_of()), TryAgain)
        assert server.requests == []


async def test_no_cookie_is_kept():
    """What an endpoint sets with one answer is not sent with the next call, which may be another account's."""

    async def handle(_request):
        return web.json_response({}, headers={"set-cookie": "session=secret; Path=/"})

    async with serving(handle) as server:
        named = replace(server, url=server.url.replace("127.0.0.1", "localhost"))  # of an address no client keeps any
        async with client(named) as model:
            for _ in range(2):
                await model.ask(question_of())
    assert len(server.requests) == 2
    assert not any(name.lower() == "cookie" for _, headers, _ in server.requests for name in headers)
