"""What faust cannot be trusted with: why no message of the model path passes through it."""

import subprocess
import sys
from uuid import uuid4

from aiokafka import AIOKafkaProducer, TopicPartition

from tests.broker.stage import admin_of
from tests.broker.workers_under_test import ROOT, environment
from tests.helpers import until, until_true


async def test_faust_commits_past_what_is_in_flight_and_past_what_failed(bootstrap, topic_maker, tmp_path):
    """A message that an agent holds and a chunk that an agent failed on are below the committed offset, and after a kill are gone.

    If this test fails, faust was mended: look at the decision in ARCHITECTURE.md again.
    """
    one_by_one, chunks, group = await topic_maker(), await topic_maker(), f"faust-{uuid4().hex[:8]}"
    seen = tmp_path / "seen.txt"

    async def send(topic, *values):
        async with AIOKafkaProducer(bootstrap_servers=bootstrap) as producer:
            for value in values:
                await producer.send_and_wait(topic, value, partition=0)

    async def committed():
        async with admin_of(bootstrap) as admin:
            found = await admin.list_consumer_group_offsets(group)
        kept = [found.get(TopicPartition(topic, 0)) for topic in (one_by_one, chunks)]
        return [place.offset if place else 0 for place in kept]

    def program(kind):
        command = [sys.executable, "-m", "tests.broker.faust_losing", kind, bootstrap, group, one_by_one, chunks, str(seen)]
        return subprocess.Popen(command, cwd=ROOT, env=environment(), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    await send(one_by_one, b"hold", b"a", b"b", b"c")
    await send(chunks, b"fail", b"x", b"y", b"z")
    first = program("HOLDING")
    try:
        await until_true(lambda: _are(committed, [4, 4]), 60)
    finally:
        first.kill()
        first.wait()
    assert seen.read_bytes().split() == [b"a", b"b", b"c"]

    await send(one_by_one, b"last")
    await send(chunks, b"last-chunk")
    second = program("NEVER")
    try:
        await until(lambda: {b"last", b"last-chunk"} <= set(seen.read_bytes().split()), 60)
    finally:
        second.kill()
        second.wait()
    lost = {b"hold", b"fail", b"x", b"y", b"z"} - set(seen.read_bytes().split())
    assert lost == {b"hold", b"fail", b"x", b"y", b"z"}


async def _are(ask, wanted):
    return await ask() == wanted
