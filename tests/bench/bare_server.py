"""A model that answers every item after 5 ms with the first codes: the same for the worker and for the bare loop."""

import asyncio
import sys

import orjson
import uvloop
from aiohttp import web

LATENCY_SECONDS = 0.005


async def chat(request: web.Request) -> web.Response:
    body = orjson.loads(await request.read())
    items = orjson.loads(body["messages"][-1]["content"])["items"]
    await asyncio.sleep(LATENCY_SECONDS)
    reply = {
        "r": [
            {"ref": i["ref"], "intent": "A", "sentiment": "E", "order_id": None, "amount": None, "sure": "high"} for i in items
        ]
    }
    message = {"role": "assistant", "content": orjson.dumps(reply).decode()}
    answer = {
        "id": "c",
        "object": "chat.completion",
        "created": 1,
        "model": "bench",
        "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
        "usage": {"prompt_tokens": 1000, "completion_tokens": 300, "total_tokens": 1300},
    }
    return web.Response(body=orjson.dumps(answer), content_type="application/json")


def main() -> None:
    app = web.Application(client_max_size=8 << 20)
    app.router.add_post("/v1/chat/completions", chat)
    uvloop.install()
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None, access_log=None)


if __name__ == "__main__":
    main()
