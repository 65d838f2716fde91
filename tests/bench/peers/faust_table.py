"""faust as its own guide has it: a table that counts the records of each key, and nothing else."""

import sys

import faust

BROKERS, GROUP, TOPIC, PARTITIONS, FOLDER = sys.argv[1:6]
app = faust.App(
    GROUP,
    broker=f"kafka://{BROKERS}",
    store="memory://",
    datadir=FOLDER,
    topic_allow_declare=False,
    topic_disable_leader=True,
    consumer_auto_offset_reset="earliest",
    producer_linger=0.02,
    web_enabled=False,
)
source = app.topic(TOPIC, value_type=bytes, value_serializer="raw", key_serializer="raw", key_type=bytes)
counts = app.Table("counts", default=int, key_type=bytes, value_type=int, partitions=int(PARTITIONS))


@app.agent(source)
async def count(stream):
    async for event in stream.events():
        counts[event.key] += 1


if __name__ == "__main__":
    sys.argv = [sys.argv[0], "worker", "--loglevel=warn", "--without-web"]
    app.main()
