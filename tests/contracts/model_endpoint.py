"""A local endpoint that records what it is asked, and the client in production in front of it."""

from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import orjson
from aiohttp import web

from schemas.message import Message
from schemas.task import Task
from schemas.verdict import SignalKind
from tests.fakes.scripted_model import ScriptedModel
from tests.helpers import call_of
from workers.asking.model import Call
from workers.asking.openai_model import Endpoint, OpenAIModel
from workers.asking.prompt import Dialect, Prompt

TASK = Task.model_validate(
    {
        "name": "tickets",
        "source": {"topic": "in", "text": "body"},
        "instructions": "Label the tickets.",
        "fields": {"intent": {"kind": "label", "labels": {"cancel": "", "track": ""}}, "order_id": {"kind": "extract"}},
        "routes": {"labelled": "labelled", "escalated": "escalated", "dead": "dead"},
    }
)


def question_of(*texts, task=TASK, dialect=None):
    prompt = Prompt(task, dialect or Dialect("nano", SignalKind.BAND))
    numbers = iter(range(10_000))
    return call_of(prompt, [Message(text, "", None, None, {}) for text in texts or ("one",)], lambda _: next(numbers))


async def well(question):
    """Return the body of a good completion, made by the scripted model."""
    answer = await ScriptedModel().ask(question)
    message = {"role": "assistant", "content": answer.content, "refusal": None}
    return {
        "id": "c-1",
        "model": "nano",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 9},
    }


@dataclass
class Server:
    """A local endpoint that records every request and answers by `handler`."""

    handler: object = None
    requests: list = field(default_factory=list)
    url: str = ""
    connections: set = field(default_factory=set)

    async def handle(self, request):
        self.connections.add(request.transport)
        self.requests.append((request.path, dict(request.headers), await request.read()))
        if self.handler is not None:
            return await self.handler(request)
        body = orjson.loads(self.requests[-1][2])
        return web.json_response(await well(Call(orjson.dumps(body), ())), headers={"x-request-id": "req-7"})


@asynccontextmanager
async def serving(handler=None, tls=None):
    server = Server(handler)
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", server.handle)
    runner = web.AppRunner(application, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    server.url = f"{'https' if tls else 'http'}://127.0.0.1:{runner.addresses[0][1]}/v1"
    try:
        yield server
    finally:
        await runner.cleanup()


def endpoint(url, **changes):
    return replace(Endpoint(url, lambda: "given-key", None, None, 5.0, 4), **changes)


@asynccontextmanager
async def client(server, **changes):
    model = OpenAIModel(endpoint(server.url, **changes))
    try:
        yield model
    finally:
        await model.close()
