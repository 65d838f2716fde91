"""A fake OpenAI-compatible model server in a process of its own, for tests and benchmarks.

    python -m tests.fakes.model_server --port 0 --latency-ms 20 --jitter-ms 80 --seed 1 --fault 500=0.05

It prints one line of JSON with its port, then answers `POST /v1/chat/completions`. `POST /control` changes how, from the
next call on: {"mode": "429", "retry_after": 0.5, "times": 3, "probability": 1, "latency_ms": 5, "jitter_ms": 0}; mode "ok"
ends a fault; {"rpm": 600, "tpm": 500000} are new limits. `GET /stats` counts calls, items, tokens, refused calls and faults, and
the server's own CPU seconds; with `?texts=1` how often each text was asked.
"""

import argparse
import asyncio
import json
import random
import signal
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

import orjson
import uvloop
from aiohttp import web

from tests.fakes.model_decisions import decided, read_decisions
from tests.fakes.model_limits import Limits
from tests.fakes.model_replies import MANGLES, Asked, Codes, Usage, completion, pieces, read, usage_of
from tests.fakes.neighbours import turned

FAULTS = frozenset(
    {"429", "500", "hang", "drip", "html", "error_body", "truncated", "cut_body", "refusal", "reset", "401", "404", *MANGLES}
)
_CHAT_FAULTS = frozenset({"truncated", "refusal", *MANGLES})
_CONTROLS = frozenset(
    {
        "mode",
        "times",
        "probability",
        "retry_after",
        "latency_ms",
        "item_ms",
        "jitter_ms",
        "sigma",
        "faults",
        "logprobs",
        "json_schema",
        "decisions",
        "neighbours",
    }
)
_ERRORS: dict[str, tuple[int, dict[str, Any]]] = {
    "429": (429, {"message": "Rate limit reached.", "type": "requests", "code": "rate_limit_exceeded"}),
    "500": (500, {"message": "The server had an error.", "type": "server_error", "code": None}),
    "401": (401, {"message": "Incorrect API key provided.", "type": "invalid_request_error", "code": "invalid_api_key"}),
    "404": (404, {"message": "The model does not exist.", "type": "invalid_request_error", "code": "model_not_found"}),
    "json_schema": (
        400,
        {
            "message": "Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model.",
            "type": "invalid_request_error",
            "param": "response_format",
            "code": None,
        },
    ),
    "error_body": (200, {"message": "Upstream failed.", "code": 502}),
}


@dataclass
class Behaviour:
    """How calls are answered. `mode` wins over the probabilities, `times` calls long (None is for ever).

    A call takes (`latency_ms` + `item_ms` per item + uniform 0..`jitter_ms`) times a log-normal factor of median 1 and `sigma`.
    """

    random: random.Random
    latency_ms: float = 0.0
    item_ms: float = 0.0
    jitter_ms: float = 0.0
    sigma: float = 0.0
    limits: Limits = field(default_factory=Limits)
    codes: Codes = "first"
    neighbours: float = 0.0
    seed: int = 1
    logprobs: bool = True
    json_schema: bool = True
    decisions: bool = False
    key: str | None = None
    keeps_texts: bool = True
    faults: dict[str, float] = field(default_factory=dict)
    mode: str = "ok"
    times: int | None = None
    probability: float = 1.0
    retry_after: float | None = None

    def control(self, wanted: dict[str, Any]) -> None:
        """Take over what `/control` was sent. Raises ValueError for a word it does not know."""
        if "mode" in wanted:
            self.times, self.probability, self.retry_after = None, 1.0, None
        if "rpm" in wanted or "tpm" in wanted:
            self.limits = Limits(wanted.pop("rpm", None), wanted.pop("tpm", None))
        for name, value in wanted.items():
            if name not in _CONTROLS:
                raise ValueError(f"unknown control {name!r}")
            if name == "mode" and value not in FAULTS | {"ok"}:
                raise ValueError(f"unknown mode {value!r}: use ok, {', '.join(sorted(FAULTS))}")
            setattr(self, name, value)

    def next_fault(self) -> str | None:
        if self.mode != "ok":
            if self.times is not None and self.times <= 0:
                self.mode = "ok"
            elif self.random.random() < self.probability:
                self.times = None if self.times is None else self.times - 1
                return self.mode
        for name, probability in self.faults.items():
            if self.random.random() < probability:
                return name
        return None

    def latency_seconds(self, items: int) -> float:
        seconds = (self.latency_ms + self.item_ms * items + self.jitter_ms * self.random.random()) / 1000
        return seconds * self.random.lognormvariate(0.0, self.sigma) if self.sigma else seconds


@dataclass
class Stats:
    calls: int = 0
    items: int = 0
    tokens: int = 0
    limited: int = 0
    in_flight: int = 0
    most_in_flight: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    texts: Counter[str] = field(default_factory=Counter)
    answered: Counter[str] = field(default_factory=Counter)  # texts with a whole answer: asking them again is waste


class ModelServer:
    """The handler of every request."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
        self.stats = Stats()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.path
        route = self._complete if path.endswith("/chat/completions") else self._decide if path.endswith("/decisions") else None
        if route is not None and (route != self._decide or self.behaviour.decisions):
            self.stats.in_flight += 1
            self.stats.most_in_flight = max(self.stats.most_in_flight, self.stats.in_flight)
            try:
                return await route(request)
            finally:
                self.stats.in_flight -= 1
        if path == "/control":
            try:
                self.behaviour.control(orjson.loads(await request.read()))
            except ValueError as error:
                return web.Response(status=400, text=str(error))
            return web.Response(body=b"{}", content_type="application/json")
        if path == "/stats":
            return self._stats(texts="texts" in request.query)
        return _error(404, {"message": "There is nothing here.", "type": "invalid_request_error", "code": None})

    async def _complete(self, request: web.BaseRequest) -> web.StreamResponse:
        behaviour, stats = self.behaviour, self.stats
        stats.calls += 1
        if behaviour.key is not None and request.headers.get("Authorization") != f"Bearer {behaviour.key}":
            return _error(*_ERRORS["401"])
        try:
            asked = read(await request.read())
        except (KeyError, TypeError, ValueError, LookupError) as error:
            return _error(400, {"message": f"Not a request of the worker: {error!r}", "type": "invalid_request_error"})
        if asked.strict and not behaviour.json_schema:
            return _error(*_ERRORS["json_schema"])
        if not behaviour.logprobs:
            asked = replace(asked, top_logprobs=None)
        texts = [text for _, text in asked.items]
        turned_places = turned(texts, behaviour.seed, behaviour.neighbours) if behaviour.neighbours else frozenset[int]()
        parts = pieces(asked, asked.items, behaviour.codes, turned_places)
        if (refused := await self._admit(asked.model, texts, usage_of(asked, parts))) is not None:
            return refused
        fault = behaviour.next_fault()
        if behaviour.keeps_texts and fault in {None, "swapped"}:
            stats.answered.update(texts)
        good = completion(asked, parts, stats.calls)
        if fault is None:
            return _json(good, stats.calls, behaviour.limits.headers())
        stats.faults[fault] += 1
        return self._mangled(asked, fault) or await self._fail(request, good, fault)

    async def _decide(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer the decisions route. It has the faults of a whole call; those of a chat's reply leave it as it is."""
        behaviour, stats = self.behaviour, self.stats
        stats.calls += 1
        if behaviour.key is not None and request.headers.get("Authorization") != f"Bearer {behaviour.key}":
            return _error(*_ERRORS["401"])
        try:
            asked = read_decisions(await request.read())
            good = decided(asked, behaviour.codes)
        except (KeyError, TypeError, ValueError, LookupError) as error:
            return _error(400, {"message": f"Not a request for decisions: {error!r}", "type": "invalid_request_error"})
        if (refused := await self._admit(asked.model, [asked.text], asked.usage)) is not None:
            return refused
        fault = behaviour.next_fault()
        if fault is None or fault in _CHAT_FAULTS:
            if behaviour.keeps_texts:
                stats.answered.update([asked.text])
            return _json(good, stats.calls, behaviour.limits.headers())
        stats.faults[fault] += 1
        return await self._fail(request, good, fault)

    async def _admit(self, model: str, texts: list[str], usage: Usage) -> web.Response | None:
        """Count the call and take its time, or refuse it for a limit."""
        behaviour, stats = self.behaviour, self.stats
        if (limited := behaviour.limits.take(usage.total, time.monotonic())) is not None:
            stats.limited += 1
            return _error(429, limited.error(model), {**behaviour.limits.headers(), **limited.headers()})
        stats.items += len(texts)
        stats.tokens += usage.total
        if behaviour.keeps_texts:
            stats.texts.update(texts)
        if seconds := behaviour.latency_seconds(len(texts)):
            await asyncio.sleep(seconds)
        return None

    def _mangled(self, asked: Asked, fault: str) -> web.Response | None:
        """Return a chat's reply with that fault inside, or None for a fault of the whole call."""
        number, rule = self.stats.calls, self.behaviour.codes
        if fault in MANGLES:
            return _json(completion(asked, pieces(asked, MANGLES[fault](list(asked.items)), rule), number), number)
        if fault == "truncated":
            return _json(completion(asked, pieces(asked, asked.items, rule), number, finish="length", cut=20), number)
        if fault == "refusal":
            refused = orjson.loads(completion(asked, pieces(asked, asked.items, rule), number))
            refused["choices"][0]["message"] = {"role": "assistant", "content": None, "refusal": "I cannot help with that."}
            return _json(orjson.dumps(refused), number)
        return None

    async def _fail(self, request: web.BaseRequest, good: bytes, fault: str) -> web.StreamResponse:
        if fault in _ERRORS:
            response = _error(*_ERRORS[fault])
            if fault == "429" and self.behaviour.retry_after is not None:
                response.headers["Retry-After"] = str(self.behaviour.retry_after)
            return response
        match fault:
            case "cut_body":
                return _json(good[: len(good) // 2], self.stats.calls)
            case "html":
                return web.Response(text="<html><body>Please log in.</body></html>", content_type="text/html")
            case "hang":
                await asyncio.sleep(3600)
        return await _slowly(request, good, reset=fault == "reset")

    def _stats(self, *, texts: bool) -> web.Response:
        stats = self.stats
        body: dict[str, Any] = {
            "calls": stats.calls,
            "items": stats.items,
            "tokens": stats.tokens,
            "limited": stats.limited,
            "in_flight": stats.in_flight,
            "most_in_flight": stats.most_in_flight,
            "cpu_seconds": time.process_time(),
            "faults": dict(stats.faults),
            "distinct_texts": len(stats.texts),
            "answered_again": stats.answered.total() - len(stats.answered),
        }
        if texts:
            body["texts"] = dict(stats.texts)
        return web.Response(body=orjson.dumps(body), content_type="application/json")


async def _slowly(request: web.BaseRequest, body: bytes, *, reset: bool) -> web.StreamResponse:
    """Send a byte every 50 ms for ever or to the end, or half of the body and then a reset connection."""
    response = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": str(len(body))})
    await response.prepare(request)
    if reset:
        await response.write(body[: len(body) // 2])
        if request.transport is not None:
            request.transport.abort()
        return response
    for index in range(len(body)):
        await response.write(body[index : index + 1])
        await asyncio.sleep(0.05)
    return response


def _json(body: bytes, number: int, headers: dict[str, str] | None = None) -> web.Response:
    told = {"Content-Type": "application/json", "x-request-id": f"req-{number}", **(headers or {})}
    return web.Response(body=body, headers=told)


def _error(status: int, error: dict[str, Any], headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(status=status, body=orjson.dumps({"error": error}), content_type="application/json", headers=headers)


async def serve(server: ModelServer, host: str, port: int) -> None:
    """Answer until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    runner = web.ServerRunner(web.Server(server.handle, access_log=None, handler_cancellation=True), shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port, backlog=1024, reuse_address=True)
        await site.start()
        print(json.dumps({"port": runner.addresses[0][1]}), flush=True)
        await stop.wait()
    finally:
        await runner.cleanup()


def main() -> None:
    """Parse the command line and serve."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--latency-ms", type=float, default=0.0)
    parser.add_argument("--jitter-ms", type=float, default=0.0, help="added to the latency, uniform from 0 to this")
    parser.add_argument("--item-ms", type=float, default=0.0, help="added to the latency for each item of the call")
    parser.add_argument("--sigma", type=float, default=0.0, help="the latency is log-normal with this sigma around its value")
    parser.add_argument("--rpm", type=float, help="requests a minute, enforced over a second")
    parser.add_argument("--tpm", type=float, help="tokens a minute, enforced over a second")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--codes", choices=["first", "hash"], default="first")
    parser.add_argument("--neighbours", type=float, default=0.0, help="labels depend on the company, this strongly")
    parser.add_argument("--no-logprobs", action="store_true", help="ignore `logprobs`, as some routes do")
    parser.add_argument("--no-json-schema", action="store_true", help="refuse `json_schema`, as some routes do")
    parser.add_argument("--decisions", action="store_true", help="answer `POST /v1/decisions` too")
    parser.add_argument("--no-texts", action="store_true", help="do not count per text: for millions of them")
    parser.add_argument("--key", help="refuse every other API key with 401")
    parser.add_argument("--fault", action="append", default=[], metavar="MODE=PROBABILITY", help="may be repeated")
    wanted = parser.parse_args()
    faults = {name: float(probability) for name, _, probability in (each.partition("=") for each in wanted.fault)}
    if unknown := set(faults) - FAULTS:
        parser.error(f"unknown fault {min(unknown)}: choose from {', '.join(sorted(FAULTS))}")
    behaviour = Behaviour(
        random=random.Random(wanted.seed),
        latency_ms=wanted.latency_ms,
        item_ms=wanted.item_ms,
        jitter_ms=wanted.jitter_ms,
        sigma=wanted.sigma,
        limits=Limits(wanted.rpm, wanted.tpm),
        codes=wanted.codes,
        neighbours=wanted.neighbours,
        seed=wanted.seed,
        logprobs=not wanted.no_logprobs,
        json_schema=not wanted.no_json_schema,
        decisions=wanted.decisions,
        key=wanted.key,
        keeps_texts=not wanted.no_texts,
        faults=faults,
    )
    uvloop.run(serve(ModelServer(behaviour), wanted.host, wanted.port))


if __name__ == "__main__":
    main()
