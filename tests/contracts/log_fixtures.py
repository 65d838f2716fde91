"""The fixtures of the log's contract: each test runs on the log in memory and on a real Kafka."""

import pytest

from tests.contracts.log_suite import KafkaBench, Member, MemoryBench, new_name


@pytest.fixture(params=["memory", pytest.param("kafka", marks=pytest.mark.broker)])
async def bench(request):
    made = MemoryBench() if request.param == "memory" else KafkaBench(request.getfixturevalue("kafka").bootstrap)
    yield made
    await made.close()


@pytest.fixture
async def join(bench):
    members = []

    async def joined(group, *topics, log=None):
        member = Member((log or bench.log).intake(group))
        members.append(member)
        await member.intake.start(topics, member)
        return member

    yield joined
    for member in members:
        await member.stop()


@pytest.fixture(params=["exactly_once", "at_least_once"])
def open_either(request, join, open_writer):
    """Open a lane's writer for one input partition and a group, of either delivery."""

    async def opened(source, group):
        if request.param == "exactly_once":
            return await open_writer(new_name(), group)
        writer = (await join(group, source.topic)).intake.writer()
        await writer.open()
        return writer

    return opened


@pytest.fixture
async def open_writer(bench):
    writers = []

    async def opened(transactional_id, group, log=None):
        writer = (log or bench.log).writer(transactional_id, group)
        writers.append(writer)
        await writer.open()
        return writer

    yield opened
    for writer in writers:
        writer.discard()
