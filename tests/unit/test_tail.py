"""Following topics as nobody's consumer."""

import asyncio

from tests.helpers import until
from topics.memory import MemoryCluster
from topics.tail import Tail


async def test_every_record_is_heard_once_through_an_outage_that_is_told_once():
    """What was there before, what comes while the log is away and after; in order."""
    cluster, heard, troubles = MemoryCluster(), [], []
    cluster.create("said", 1)
    tail = Tail(cluster.log(), ["said"], lambda record: heard.append(record.value))

    async def looked():
        pass

    cluster.produce("said", b"k", b"1")
    await tail.catch_up()
    assert heard == [b"1"]
    following = asyncio.ensure_future(tail.follow(0.01, looked, troubles.append))
    try:
        cluster.produce("said", b"k", b"2")
        await until(lambda: heard == [b"1", b"2"])
        cluster.down = True
        await until(lambda: troubles)
        cluster.produce("said", b"k", b"3")
        await asyncio.sleep(0.1)  # several looks in vain
        assert (len(troubles), len(heard)) == (1, 2)
        cluster.down = False
        await until(lambda: heard == [b"1", b"2", b"3"])
    finally:
        following.cancel()
