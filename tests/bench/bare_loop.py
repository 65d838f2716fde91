"""The yardstick: a hand-written loop with nothing but the bare work, and none of the care.

getmany -> decode -> micro-batch -> raw post through the openai package -> validate -> events -> one transaction per input
partition every 200 ms. It has no ledger, no limiter, no judgement and no recovery, and its commit rule (highest done + 1)
loses messages when a process dies: a measure of speed, not an example.
"""

import asyncio
import secrets
import sys
import uuid
from pathlib import Path
from typing import Literal

import httpx2
import orjson
import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from openai import AsyncOpenAI, DefaultAioHttpClient
from pydantic import BaseModel, TypeAdapter

NAMESPACE = uuid.UUID(int=1)


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


async def main(brokers: str, model_url: str, topic: str, out: str, system: str, concurrency: int, batch_size: int) -> None:
    client = AsyncOpenAI(
        api_key="x",
        base_url=model_url,
        max_retries=0,
        http_client=DefaultAioHttpClient(
            limits=httpx2.Limits(max_connections=64, max_keepalive_connections=64, keepalive_expiry=60)
        ),
    )
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=brokers,
        group_id="bare",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_poll_records=2000,
    )
    await consumer.start()
    partitions = sorted(p.partition for p in consumer.assignment())
    producers = {}
    for number in partitions:
        producers[number] = AIOKafkaProducer(
            bootstrap_servers=brokers,
            linger_ms=2,
            max_batch_size=1 << 18,
            transactional_id=f"bare-{number}",
            compression_type="zstd",
        )
        await producers[number].start()
    done = {number: [] for number in partitions}
    slots = asyncio.Semaphore(concurrency)
    head = b'{"model":"bench","messages":[{"role":"system","content":' + orjson.dumps(system) + b'},{"role":"user","content":'
    tail = (
        b'}],"response_format":'
        + orjson.dumps(
            {"type": "json_schema", "json_schema": {"name": "x", "strict": True, "schema": Reply.model_json_schema()}}
        )
        + b"}"
    )

    async def call(batch) -> None:
        try:
            items = [{"ref": secrets.token_hex(2), "text": message.body} for _, message in batch]
            body = head + orjson.dumps(orjson.dumps({"items": items}).decode()) + tail
            async with asyncio.timeout(30):
                response = await client.post(
                    "/chat/completions",
                    cast_to=httpx2.Response,
                    content=body,
                    options={"headers": {"content-type": "application/json"}, "max_retries": 0},
                )
            reply = REPLY.validate_json(orjson.loads(response.content)["choices"][0]["message"]["content"])
            by_ref = {item.ref: item for item in reply.r}
            for (record, message), item in zip(batch, items, strict=True):
                answer = by_ref[item["ref"]]
                event = {
                    "id": str(uuid.uuid5(NAMESPACE, f"{record.topic}/{record.partition}/{record.offset}")),
                    "source": message.id,
                    "intent": answer.intent,
                    "sentiment": answer.sentiment,
                    "order_id": answer.order_id,
                    "amount": answer.amount,
                    "model": "bench",
                }
                done[record.partition].append((record, orjson.dumps(event)))
        finally:
            slots.release()

    async def commit(number: int) -> None:
        producer, partition = producers[number], TopicPartition(topic, number)
        while True:
            await asyncio.sleep(0.2)
            burst, done[number] = done[number], []
            if not burst:
                continue
            async with producer.transaction():
                headers = [("ce_id", b"x" * 36), ("ce_type", b"triage.labelled")]
                sends = [await producer.send(out, event, key=record.key, headers=headers) for record, event in burst]
                await asyncio.gather(*sends)
                position = max(record.offset for record, _ in burst) + 1
                await producer.send_offsets_to_transaction({partition: position}, "bare")

    async def poll() -> None:
        batch = []
        while True:
            for records in (await consumer.getmany(timeout_ms=200)).values():
                for record in records:
                    batch.append((record, MESSAGE.validate_json(record.value)))
                    if len(batch) >= batch_size:
                        await slots.acquire()
                        asyncio.create_task(call(batch))  # noqa: RUF006  # kept alive by the loop while it runs
                        batch = []

    await asyncio.gather(poll(), *(commit(number) for number in partitions))


if __name__ == "__main__":
    brokers, model_url, topic, out, system_file, concurrency, batch_size = sys.argv[1:]
    text = Path(system_file).read_text(encoding="utf-8")
    uvloop.run(main(brokers, model_url, topic, out, text, int(concurrency), int(batch_size)))
