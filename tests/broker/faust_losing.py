"""A faust program that shows what faust commits: `python -m tests.broker.faust_losing KIND BROKERS GROUP ONE_BY_ONE CHUNKS SEEN`.

Two agents. The first works on two messages at a time and never finishes one that is `hold`; the second takes chunks, and fails
on one that holds `fail`. What an agent has finished is a line of the file SEEN. With the KIND `NEVER` nothing is held and nothing
fails. Never imported by the product.
"""

import asyncio
import sys
from pathlib import Path

import faust

KIND, BROKERS, GROUP, ONE_BY_ONE, CHUNKS, SEEN = sys.argv[1:7]
app = faust.App(
    GROUP,
    broker=f"kafka://{BROKERS}",
    store="memory://",
    topic_disable_leader=True,
    consumer_auto_offset_reset="earliest",
    broker_commit_interval=0.2,
    broker_session_timeout=6.0,
    broker_heartbeat_interval=1.0,
    web_enabled=False,
    datadir=str(Path(SEEN).parent / "faust"),
)
one_by_one = app.topic(ONE_BY_ONE, value_type=bytes, value_serializer="raw", key_serializer="raw")
chunks = app.topic(CHUNKS, value_type=bytes, value_serializer="raw", key_serializer="raw")


def finished(values):
    with Path(SEEN).open("ab") as file:
        file.writelines(value + b"\n" for value in values)


@app.agent(one_by_one, concurrency=2)
async def slowly(stream):
    async for value in stream:
        if value == b"hold" and KIND != "NEVER":
            await asyncio.Event().wait()
        finished([value])


@app.agent(chunks)
async def together(stream):
    async for values in stream.take(4, within=0.5):
        if b"fail" in values and KIND != "NEVER":
            raise RuntimeError("this chunk cannot be done now")
        finished(values)


if __name__ == "__main__":
    sys.argv = [sys.argv[0], "worker", "--loglevel=warn", "--without-web"]
    app.main()
