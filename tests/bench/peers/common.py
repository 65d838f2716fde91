"""What every peer is handed and has in common: its job, one way to call the model, one form of event.

Peers differ in the framework alone. The call is the cheapest there is: static bytes serialised once, the openai package's
transport, the answer validated by pydantic in one pass; limits are obeyed by waiting for as long as the 429 says.
"""

import asyncio
import json
import secrets
import sys
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, Self

import httpx2
import openai
import orjson
from pydantic import BaseModel, TypeAdapter

NAMESPACE = uuid.UUID(int=1)
_RETRY_SECONDS = 0.5


class Item(BaseModel):
    ref: str
    intent: Literal["A", "B", "Z"]
    sentiment: Literal["N", "E", "P", "Z"]
    order_id: str | None
    amount: str | None
    sure: Literal["high", "medium", "low"]


class Reply(BaseModel):
    r: list[Item]


class Message(BaseModel):
    id: str
    body: str


REPLY, MESSAGE = TypeAdapter(Reply), TypeAdapter(Message)


class Source(NamedTuple):
    """A record's place and value, whatever the framework calls them."""

    partition: int
    offset: int
    value: bytes


@dataclass(frozen=True, slots=True)
class Job:
    """`head` and `tail` are the request before and after the items' JSON string; the other names are the broker's."""

    brokers: str
    model_url: str
    topic: str
    out: str
    group: str
    partitions: int
    head: str
    tail: str
    concurrency: int
    batch: int
    linger_seconds: float
    session_seconds: float

    @classmethod
    def read(cls) -> Self:
        """Read the job from the file that the command line names last, and take it off the command line."""
        return cls(**json.loads(Path(sys.argv.pop()).read_text(encoding="utf-8")))


class Call:
    """One call's request, and how to read its answer."""

    def __init__(self, job: Job, sources: Sequence[Source]) -> None:
        self._job = job
        self._sources = sources
        self._messages = [MESSAGE.validate_json(source.value) for source in sources]
        self._items = [{"ref": secrets.token_hex(2), "text": message.body} for message in self._messages]

    def body(self) -> bytes:
        items = orjson.dumps(orjson.dumps({"items": self._items}).decode())
        return b"".join((self._job.head.encode(), items, self._job.tail.encode()))

    def events(self, content: bytes) -> list[bytes]:
        """Return an event per source, in order. Raises KeyError or ValidationError for an answer that is not whole."""
        reply = REPLY.validate_json(orjson.loads(content)["choices"][0]["message"]["content"])
        by_ref = {item.ref: item for item in reply.r}
        parts = zip(self._sources, self._messages, self._items, strict=True)
        return [self._event(source, message, by_ref[item["ref"]]) for source, message, item in parts]

    def _event(self, source: Source, message: Message, answer: Item) -> bytes:
        place = f"{self._job.topic}/{source.partition}/{source.offset}"
        event = {
            "id": str(uuid.uuid5(NAMESPACE, place)),
            "message": {"id": message.id},
            "source": {"topic": self._job.topic, "partition": source.partition, "offset": source.offset},
            "intent": answer.intent,
            "sentiment": answer.sentiment,
            "order_id": answer.order_id,
            "amount": answer.amount,
            "model": "bench",
        }
        return orjson.dumps(event)


class AsyncModel:
    def __init__(self, job: Job) -> None:
        self._job = job
        limits = httpx2.Limits(max_connections=64, max_keepalive_connections=64, keepalive_expiry=60)
        transport = openai.DefaultAioHttpClient(limits=limits)
        self._client = openai.AsyncOpenAI(api_key="x", base_url=job.model_url, max_retries=0, http_client=transport)

    async def ask(self, sources: Sequence[Source]) -> list[bytes]:
        call = Call(self._job, sources)
        body = call.body()
        while True:
            try:
                async with asyncio.timeout(30):
                    response = await self._client.post(
                        "/chat/completions", cast_to=httpx2.Response, content=body, options=HEADERS
                    )
            except openai.APIStatusError as error:
                await asyncio.sleep(wait_seconds(error))
            else:
                return call.events(response.content)


class Model:
    """The same for threads."""

    def __init__(self, job: Job) -> None:
        self._job = job
        limits = httpx2.Limits(max_connections=64, max_keepalive_connections=64, keepalive_expiry=60)
        transport = openai.DefaultHttpxClient(limits=limits)
        self._client = openai.OpenAI(api_key="x", base_url=job.model_url, max_retries=0, http_client=transport, timeout=30)

    def ask(self, sources: Sequence[Source]) -> list[bytes]:
        call = Call(self._job, sources)
        body = call.body()
        while True:
            try:
                response = self._client.post("/chat/completions", cast_to=httpx2.Response, content=body, options=HEADERS)
            except openai.APIStatusError as error:
                time.sleep(wait_seconds(error))
            else:
                return call.events(response.content)


HEADERS = {"headers": {"content-type": "application/json"}, "max_retries": 0}


def wait_seconds(error: openai.APIStatusError) -> float:
    """Return how long to wait before the next try. Raises the error when no try will mend it."""
    if error.status_code != 429 and error.status_code < 500:
        raise error
    milliseconds = error.response.headers.get("retry-after-ms")
    return float(milliseconds) / 1000 if milliseconds else _RETRY_SECONDS
