"""faust: an agent that takes so many events at a time, with as many instances as calls may be under way."""

import sys

import faust

from tests.bench.peers.common import AsyncModel, Job, Source

JOB = Job.read()
app = faust.App(
    JOB.group,
    broker=f"kafka://{JOB.brokers}",
    store="memory://",
    topic_disable_leader=True,
    consumer_auto_offset_reset="earliest",
    broker_session_timeout=JOB.session_seconds,
    broker_heartbeat_interval=JOB.session_seconds / 5,
    web_enabled=False,
)
source = app.topic(JOB.topic, value_type=bytes, value_serializer="raw", key_serializer="raw")
out = app.topic(JOB.out, value_type=bytes, value_serializer="raw", key_serializer="raw")
models: list[AsyncModel] = []


@app.agent(source, concurrency=JOB.concurrency)
async def triage(stream):
    if not models:
        models.append(AsyncModel(JOB))
    async for events in stream.take_events(JOB.batch, within=JOB.linger_seconds):
        messages = [event.message for event in events]
        labelled = await models[0].ask([Source(m.partition, m.offset, m.value) for m in messages])
        for message, event in zip(messages, labelled, strict=True):
            await out.send(key=message.key, value=event)


if __name__ == "__main__":
    sys.argv += ["worker", "--loglevel=warn", "--without-web"]
    app.main()
