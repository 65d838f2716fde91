"""What every `Model` promises: an answer or a fault, never an exception, within its deadline, and no key to the wrong address.

The fake that unit tests use and the client that runs in production pass one suite; what only a network can do is the client's.
"""

import asyncio
import gzip
import json
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path

import orjson
import pytest
from aiohttp import web
from jsonschema import Draft202012Validator

from schemas.reply import code_books
from schemas.verdict import SignalKind
from tests.contracts.model_endpoint import TASK, client, endpoint, question_of, serving, well
from tests.fakes.scripted_model import ScriptedModel
from workers.allowance import UNTOLD
from workers.asking.capabilities import Capability
from workers.asking.model import Answer, Barred, Broken, Refused, TooBig, TryAgain, Unclear, Usage
from workers.asking.model_card import NO_CARD, ModelCard
from workers.asking.openai_model import OpenAIModel
from workers.asking.prompt import Dialect
from workers.asking.whole_client import MOST_BYTES
from workers.judging.reading import Read, Reader
from workers.taskfiles import load_task, shipped_tasks

OPENAPI = Path(__file__).parents[3] / "shared" / "contracts" / "openai-openapi.json"


def refused_with(status, code=None, headers=None):
    async def handler(_request):
        return web.json_response({"error": {"message": "no", "code": code}}, status=status, headers=headers)

    return handler


def body_of(raw, content_type="application/json"):
    async def handler(_request):
        return web.Response(body=raw, content_type=content_type)

    return handler


def completion_with(**changes):
    async def handler(request):
        good = await well(question_of())
        good["choices"][0] |= changes
        return web.json_response(good)

    return handler


async def redirect(_request):
    raise web.HTTPTemporaryRedirect("/stolen")


async def dropped(request):
    request.transport.abort()
    return web.Response()


async def reset_in_the_middle(request):
    response = web.StreamResponse(headers={"Content-Length": "5000"})
    await response.prepare(request)
    await response.write(b'{"choices":')
    request.transport.abort()
    return response


async def short_body(request):
    response = web.StreamResponse(headers={"Content-Length": "5000"})
    response.force_close()
    await response.prepare(request)
    await response.write(b'{"choices":')
    request.transport.close()
    return response


async def hang(_request):
    await asyncio.Event().wait()


async def drip(request):
    """A byte at a time, each well within any limit on a pause."""
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b" ")
        await asyncio.sleep(0.02)


async def bad_gzip(_request):
    return web.Response(body=b"not gzip", headers={"Content-Encoding": "gzip"})


def packed(raw, encoding):
    """A body that is packed; a thousand times smaller than what it unpacks to, if it is all alike."""

    async def handler(_request):
        return web.Response(body=raw, headers={"Content-Encoding": encoding, "Content-Type": "application/json"})

    return handler


async def packed_well(_request):
    return await packed(gzip.compress(orjson.dumps(await well(question_of()))), "gzip")(_request)


async def endless(request):
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b" " * 65_536)


@asynccontextmanager
async def scripted():
    yield ScriptedModel()


@asynccontextmanager
async def over_http():
    async with serving() as server, client(server) as model:
        yield model


@pytest.fixture(params=[scripted, over_http], ids=["scripted", "openai"])
async def model(request):
    async with request.param() as opened:
        yield opened


READER = Reader(code_books(TASK), ["order_id"], banded=True)


async def test_a_question_is_answered_in_the_form_it_asks_for(model):
    """Each ref once, in the shape of the schema."""
    question = question_of("one", "two", "three")
    answer = await model.ask(question)
    assert isinstance(answer, Answer)
    assert not answer.cut
    assert all(isinstance(reading, Read) for reading in READER.read(answer.content, question.refs, cut=False))
    assert answer.usage.input > 0
    assert answer.model
    assert answer.request_id


async def test_many_questions_at_once_get_their_own_answers(model):
    """More than there are connections; answers do not cross."""
    questions = [question_of(*[f"text {n}"] * (n % 3 + 1)) for n in range(24)]
    answers = await asyncio.gather(*(model.ask(question) for question in questions))
    for question, answer in zip(questions, answers, strict=True):
        assert all(isinstance(reading, Read) for reading in READER.read(answer.content, question.refs, cut=False))


async def test_a_call_can_be_cancelled_and_the_next_one_is_answered(model):
    """A stop gives calls up; nothing of the model is broken by it."""
    call = asyncio.ensure_future(model.ask(question_of()))
    await asyncio.sleep(0)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert isinstance(await model.ask(question_of()), Answer)


async def test_closing_twice_is_closing_once(model):
    """A stop during a failed start closes what is there."""
    await model.close()
    await model.close()


FAULTS = {
    "throttled": (refused_with(429, "rate_limit_exceeded", {"Retry-After": "7"}), TryAgain),
    "server error": (refused_with(500), TryAgain),
    "overloaded": (refused_with(529), TryAgain),
    "quota": (refused_with(429, "insufficient_quota"), Barred),
    "bad key": (refused_with(401), Barred),
    "no such model": (refused_with(404, "model_not_found"), Barred),
    "too long a question": (refused_with(400, "context_length_exceeded"), TooBig),
    "bad request": (refused_with(400), Unclear),
    "forbidden": (refused_with(403), Unclear),
    "redirect": (redirect, Unclear),
    "html": (body_of(b"<html>log in</html>", "text/html"), TryAgain),
    "truncated": (body_of(b'{"choices":[{"mess'), TryAgain),
    "error inside": (body_of(b'{"error":{"message":"upstream","code":502}}'), TryAgain),
    "no choice": (body_of(b'{"choices":[]}'), Broken),
    "refusal": (completion_with(message={"content": None, "refusal": "no"}), Refused),
    "filtered": (completion_with(finish_reason="content_filter"), Refused),
    "dropped": (dropped, TryAgain),
    "reset in the middle": (reset_in_the_middle, TryAgain),
    "short body": (short_body, TryAgain),
    "bad gzip": (bad_gzip, TryAgain),
    "a bomb": (packed(gzip.compress(b" " * (MOST_BYTES + 1)), "gzip"), TryAgain),
    "too long": (endless, TryAgain),
    "packed otherwise": (packed(b"whatever", "zstd"), TryAgain),
    "streamed": (body_of(b'data: {"choices":[]}\n\ndata: [DONE]\n\n', "text/event-stream"), Barred),
    "two choices": (body_of(b'{"choices":[{"message":{"content":"{}"}},{"message":{"content":"{}"}}]}'), Broken),
    "a tool's call": (completion_with(message={"content": None, "tool_calls": [{}]}), Broken),
}


@pytest.mark.parametrize(("handler", "kind"), FAULTS.values(), ids=FAULTS.keys())
async def test_every_failure_is_a_fault_after_one_call(handler, kind):
    """Nothing is raised and nothing is tried again here: the one retry loop is the pipeline's."""
    async with serving(handler) as server, client(server) as model:
        assert isinstance(await model.ask(question_of()), kind)
        assert len(server.requests) == 1
        server.handler = None
        assert isinstance(await model.ask(question_of()), Answer)


async def test_a_packed_answer_is_unpacked_and_its_connection_used_again():
    """Bounded reading costs neither what packing saves nor a new connection for each call."""
    async with serving(packed_well) as server, client(server) as model:
        for _ in range(3):
            assert isinstance(await model.ask(question_of()), Answer)
    assert len(server.connections) == 1


async def test_an_answer_that_is_too_long_is_said_to_be():
    """Not that nobody answers."""
    async with serving(endless) as server, client(server) as model:
        assert await model.ask(question_of()) == TryAgain("the answer is longer than 32 MiB")


async def test_retry_after_is_told():
    """The wait the provider asks for reaches the retry rule."""
    async with serving(FAULTS["throttled"][0]) as server, client(server) as model:
        assert (await model.ask(question_of())).after_seconds == 7.0


@pytest.mark.parametrize("handler", [hang, drip])
async def test_the_deadline_is_of_the_whole_call(handler):
    """A server that dribbles never pauses long enough for a time-out of its own."""
    loop = asyncio.get_running_loop()
    async with serving(handler) as server, client(server, timeout_seconds=0.3) as model:
        started = loop.time()
        result = await model.ask(question_of())
        assert loop.time() - started < 2.0
        assert isinstance(result, TryAgain)
        server.handler = None
        assert isinstance(await model.ask(question_of()), Answer)


async def test_a_refused_connection_is_the_providers_fault():
    """Nobody listens, and nobody's message is to blame."""
    async with serving() as server:
        pass
    async with client(server) as model:
        assert isinstance(await model.ask(question_of()), TryAgain)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/v1", "http://no-such-host.invalid/v1", "ftp://127.0.0.1/v1"])
async def test_an_address_that_leads_nowhere_raises_nothing(url):
    """A name that is gone, a port that is closed, a scheme that nobody speaks."""
    model = OpenAIModel(endpoint(url, timeout_seconds=3.0))
    assert isinstance(await model.ask(question_of()), TryAgain)
    await model.close()


async def test_a_redirect_is_not_followed():
    """The key would go wherever the answer says."""
    async with serving(redirect) as server, client(server) as model:
        await model.ask(question_of())
        assert [path for path, _, _ in server.requests] == ["/v1/chat/completions"]


LEAKS = {
    "OPENAI_API_KEY": "env-secret-key",
    "OPENAI_ADMIN_KEY": "env-secret-admin",
    "OPENAI_ORG_ID": "env-secret-org",
    "OPENAI_PROJECT_ID": "env-secret-project",
    "OPENAI_WEBHOOK_SECRET": "env-secret-hook",
    "OPENAI_BASE_URL": "http://127.0.0.1:1/env-secret-url",
    "OPENAI_CUSTOM_HEADERS": "X-Env: env-secret-header\nAuthorization: Bearer env-secret-bearer\nOpenAI-Organization: env-secret-org",
}


@pytest.mark.parametrize("key", ["given-key", ""])
async def test_nothing_of_the_environment_reaches_another_address(monkeypatch, tmp_path, key):
    """The openai package reads seven variables; a custom endpoint sees the key it was given, and none of them."""
    for name, value in LEAKS.items():
        monkeypatch.setenv(name, value)
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login env-secret-user password env-secret-netrc\n")
    monkeypatch.setenv("NETRC", str(netrc))
    async with serving() as server, client(server, api_key=lambda: key) as model:
        assert isinstance(await model.ask(question_of()), Answer)
    ((path, headers, body),) = server.requests
    assert path == "/v1/chat/completions"
    assert headers["Authorization"] == f"Bearer {key or 'none'}"
    assert "env-secret" not in f"{headers} {body!r}"
    assert set(map(str.lower, headers)) <= {
        "accept",
        "accept-encoding",
        "authorization",
        "connection",
        "content-length",
        "content-type",
        "host",
        "user-agent",
    }


async def test_organization_and_project_are_sent_when_they_are_set(monkeypatch):
    """As the settings say, also beside other ones in the environment."""
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", LEAKS["OPENAI_CUSTOM_HEADERS"])
    async with serving() as server, client(server, organization="org-1", project="proj-1") as model:
        await model.ask(question_of())
    headers = {name.lower(): value for name, value in server.requests[0][1].items()}
    assert (headers["openai-organization"], headers["openai-project"]) == ("org-1", "proj-1")


async def test_the_body_is_the_questions_bytes():
    """Nothing is parsed, reordered or added on the way."""
    question = question_of('"}]} é', "😀")
    async with serving() as server, client(server) as model:
        await model.ask(question)
    _, headers, body = server.requests[0]
    assert body == question.body
    assert headers["Content-Type"] == "application/json"


async def test_a_rotated_key_is_used_for_the_next_call():
    """The key is asked for each time."""
    keys = iter(["old", "new"])
    async with serving() as server, client(server, api_key=lambda: next(keys)) as model:
        await model.ask(question_of())
        await model.ask(question_of())
    assert [headers["Authorization"] for _, headers, _ in server.requests] == ["Bearer old", "Bearer new"]


async def test_a_key_that_cannot_be_had_bars_and_calls_nobody():
    """A key file that is gone for a moment must not end the worker."""

    def key():
        raise LookupError("the key file cannot be read")

    async with serving() as server, client(server, api_key=key) as model:
        assert await model.ask(question_of()) == Barred("the API key cannot be had: the key file cannot be read")
        assert server.requests == []


async def test_no_fault_tells_the_key():
    """Faults end in logs and headers."""
    async with serving() as server, client(server, timeout_seconds=0.2) as model:
        for handler in (hang, dropped, reset_in_the_middle, bad_gzip, refused_with(401), refused_with(400)):
            server.handler = handler
            assert "given-key" not in str(await model.ask(question_of()))


@pytest.mark.skipif(not OPENAPI.is_file(), reason="OpenAI's API description is not beside the checkout")
@pytest.mark.parametrize("signal", [SignalKind.LOGPROBS, SignalKind.BAND])
@pytest.mark.parametrize("task", ["tickets", *shipped_tasks()])
async def test_the_request_is_one_that_openai_describes(task, signal):
    """What the server receives validates against the published OpenAPI schema."""
    loaded = TASK if task == "tickets" else load_task(task).task
    dialect = Dialect("gpt-6-luna", signal, reasoning_effort="none", store=False)
    async with serving() as server, client(server) as model:
        await model.ask(question_of("a text", "another", task=loaded, dialect=dialect))
    body = json.loads(server.requests[0][2])
    spec = json.loads(OPENAPI.read_text(encoding="utf-8"))
    validator = Draft202012Validator(
        {"$ref": "#/components/schemas/CreateChatCompletionRequest", "components": spec["components"]}
    )
    assert [error.message[:200] for error in validator.iter_errors(body)] == []
    assert not validator.is_valid(body | {"temperature": 9})
    assert not validator.is_valid({k: v for k, v in body.items() if k != "messages"})


def listing(*rows):
    async def handler(request):
        return web.json_response({"object": "list", "data": list(rows)}) if request.path == "/v1/models" else web.Response()

    return handler


async def test_the_endpoints_list_tells_of_a_model():
    """Its end and what it takes; nothing where the list is none, or the model is not in it."""
    row = {"id": "nano", "shutdown_date": "2027-01-14", "max_model_len": 8192}
    async with serving(listing({"id": "other"}, row)) as server, client(server) as model:
        assert await model.card("nano") == ModelCard(date(2027, 1, 14), 8192)
        assert await model.card("mini") == NO_CARD
        for handler in (body_of(b"<html>", "text/html"), refused_with(404), dropped, endless):
            server.handler = handler
            assert await model.card("nano") == NO_CARD


async def test_counts_and_headers_that_are_not_to_be_believed_are_not_told():
    """A gateway may pass another account's headers on, and count what it likes."""
    unheeded = frozenset({Capability.USAGE, Capability.RATE_HEADERS})
    headers = {"x-ratelimit-limit-requests": "100", "x-ratelimit-remaining-requests": "5"}

    async def handler(_request):
        return web.json_response(await well(question_of()), headers=headers)

    async with serving(handler) as server:
        async with client(server) as model:
            told = await model.ask(question_of())
        async with client(server, unheeded=unheeded) as model:
            answer = await model.ask(question_of())
            server.handler = refused_with(429, "rate_limit_exceeded", headers)
            limited = await model.ask(question_of())
    assert told.usage != Usage()
    assert told.allowances != UNTOLD
    assert (answer.usage, answer.allowances, limited.allowances) == (Usage(), UNTOLD, UNTOLD)
