"""A server that answers every question alike."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any


class Answering(BaseHTTPRequestHandler):
    """Says A, neutral and high to everything."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if not self.path.endswith("/chat/completions"):
            self.send_error(404)
            return
        self.answer(body)

    def answer(self, body: dict[str, Any]) -> None:
        items = json.loads(body["messages"][1]["content"])["items"]
        properties = body["response_format"]["json_schema"]["schema"]["properties"]["r"]["items"]["properties"]
        reply = [
            {name: item["ref"] if name == "ref" else schema.get("enum", [None])[0] for name, schema in properties.items()}
            for item in items
        ]
        choice = {
            "index": 0,
            "finish_reason": "stop",
            "message": {"role": "assistant", "content": json.dumps({"r": reply}), "refusal": None},
            "logprobs": None,
        }
        usage = {"prompt_tokens": 10 * len(items), "completion_tokens": len(items), "total_tokens": 11 * len(items)}
        answer = json.dumps(
            {"id": "x", "object": "chat.completion", "created": 1, "model": "gpt-6-luna", "choices": [choice], "usage": usage}
        ).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def serving(handler: type[Answering]) -> Iterator[str]:
    """Serve meanwhile; give the base URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    server.server_close()
    thread.join()
