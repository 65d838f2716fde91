"""The HTTP interface: OpenAI's routes in front of a labeller.

Parsing and rendering are pure and elsewhere; here are the sockets, the key, the threads and the clock. The labeller runs in a
small pool of threads (the embedding model releases the interpreter's lock), so the loop stays free to answer.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import orjson
from aiohttp import web

from workers.modelserver.api_error import ApiError
from workers.modelserver.completion import Stamp, render
from workers.modelserver.decisions import parse_decisions, render_decisions
from workers.modelserver.labeller import ItemAnswer, Labeller, ParsedRequest
from workers.modelserver.open_call import open_pieces, read_open
from workers.modelserver.pieces import Piece
from workers.modelserver.systemone import parse_systemone, render_systemone
from workers.modelserver.triage_call import is_triage, read_triage, reply_pieces
from workers.modelserver.wire import ChatCall, parse_chat

MODEL_ID = "local-bge-small"
OWNER = "nanotriage-local"
THREADS = 2
BODY_BYTES = 8 * 1024 * 1024
_IN_FLIGHT = 512  # requests; more are told to come back
_REQUESTS, _TOKENS = 1_000_000, 1_000_000_000  # a minute, says the header: nothing here is scarce but the processor

_log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Served:
    """What the server answers with. `created` is the start in seconds since the epoch; `api_key` None asks for none."""

    labeller: Labeller
    fingerprint: str
    created: int
    api_key: str | None = None


class ModelServer:
    """One labeller's HTTP application."""

    def __init__(self, served: Served) -> None:
        self._served = served
        self._models = frozenset({MODEL_ID})
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="labeller")
        self._in_flight = 0

    def app(self) -> web.Application:
        """Return the application; it closes its threads on shutdown."""
        app = web.Application(client_max_size=BODY_BYTES, middlewares=[self._guarded])
        app.router.add_get("/healthz", _healthz)
        app.router.add_get("/v1/models", self._list_models)
        app.router.add_get("/v1/models/{id}", self._one_model)
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_post("/v1/decisions", self._decisions)
        app.router.add_post("/v1/systemone", self._systemone)
        app.on_cleanup.append(self._close)
        return app

    @web.middleware
    async def _guarded(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Give every answer OpenAI's headers and every error OpenAI's shape."""
        started = time.perf_counter()
        self._in_flight += 1
        try:
            self._check(request)
            response = await handler(request)
        except ApiError as refused:
            response = _json(refused.body(), refused.status)
        except web.HTTPException as refused:
            response = _refusal(request, refused)
        except Exception:  # noqa: BLE001  # the caller gets a 500 in OpenAI's shape, the log gets the rest
            _log.exception("%s %s", request.method, request.path)
            response = _json(ApiError(500, "The server failed; its log has the traceback.", code="internal_error").body(), 500)
        finally:
            self._in_flight -= 1
        response.headers["x-request-id"] = f"req_{secrets.token_hex(12)}"
        response.headers["openai-processing-ms"] = str(round((time.perf_counter() - started) * 1000))
        return response

    def _check(self, request: web.Request) -> None:
        if request.path == "/healthz":
            return
        if self._in_flight > _IN_FLIGHT:
            raise ApiError(503, "Too many requests at once: try again in a moment.", code="overloaded")
        key = self._served.api_key
        given = request.headers.get("Authorization", "").removeprefix("Bearer ").encode()
        if key is not None and not secrets.compare_digest(given, key.encode()):
            raise ApiError(401, "Incorrect API key provided.", code="invalid_api_key")

    async def _list_models(self, _request: web.Request) -> web.Response:
        return _json({"object": "list", "data": [self._model()]})

    async def _one_model(self, request: web.Request) -> web.Response:
        if request.match_info["id"] not in self._models:
            name = request.match_info["id"][:100]
            raise ApiError(404, f"The model `{name}` does not exist here.", code="model_not_found", param="model")
        return _json(self._model())

    def _model(self) -> dict[str, Any]:
        created = self._served.created
        return {"id": MODEL_ID, "object": "model", "created": created, "owned_by": OWNER, "shutdown_date": None}

    async def _chat(self, request: web.Request) -> web.Response:
        call = parse_chat(await request.read(), self._models)
        pieces = await self._pieces(call)
        stamp = Stamp(f"chatcmpl-{secrets.token_hex(12)}", int(time.time()), self._served.fingerprint)
        body = render(call, pieces, stamp)
        return _limited(_json(body), body["usage"]["total_tokens"])

    async def _pieces(self, call: ChatCall) -> list[Piece]:
        if is_triage(call.schema):
            triage = read_triage(call.schema, call.system, call.user)
            return reply_pieces(triage, await self._label(triage.request))
        asked = read_open(call.schema, call.user)
        (answer,) = await self._label(asked.request)
        return open_pieces(asked, answer)

    async def _decisions(self, request: web.Request) -> web.Response:
        call = parse_decisions(await request.read(), self._models)
        (answer,) = await self._label(call.request)
        return _limited(_json(render_decisions(call, answer)), call.input_tokens)

    async def _systemone(self, request: web.Request) -> web.Response:
        call = parse_systemone(await request.read(), self._models)
        (answer,) = await self._label(call.request)
        return _limited(_json(render_systemone(call, answer)), call.input_tokens)

    async def _label(self, request: ParsedRequest) -> list[ItemAnswer]:
        """Answer the request, a part of its items in each thread."""
        loop = asyncio.get_running_loop()
        parts = [loop.run_in_executor(self._pool, self._served.labeller.label, part) for part in _parts(request, THREADS)]
        return [answer for answers in await asyncio.gather(*parts) for answer in answers]

    async def _close(self, _app: web.Application) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)


def _parts(request: ParsedRequest, count: int) -> list[ParsedRequest]:
    """Cut the items into at most `count` runs of about equal length."""
    size = -(-len(request.items) // count)
    runs: list[Sequence[Any]] = [request.items[start : start + size] for start in range(0, len(request.items), size)]
    return [ParsedRequest(request.questions, tuple(run)) for run in runs]


async def _healthz(_request: web.Request) -> web.Response:
    return _json({"status": "ok"})


def _json(body: Any, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(body), status=status, content_type="application/json")


def _refusal(request: web.Request, refused: web.HTTPException) -> web.Response:
    if isinstance(refused, web.HTTPRequestEntityTooLarge):
        error = ApiError(413, f"The body is larger than {BODY_BYTES} bytes.", code="request_too_large")
    else:
        error = ApiError(refused.status, f"{request.method} {request.path[:100]}: {refused.reason}.", code="unknown_url")
    return _json(error.body(), error.status)


def _limited(response: web.Response, tokens: int) -> web.Response:
    for kind, limit, spent in (("requests", _REQUESTS, 1), ("tokens", _TOKENS, tokens)):
        response.headers[f"x-ratelimit-limit-{kind}"] = str(limit)
        response.headers[f"x-ratelimit-remaining-{kind}"] = str(limit - spent)
        response.headers[f"x-ratelimit-reset-{kind}"] = "1ms"
    return response
