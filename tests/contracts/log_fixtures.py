"""The fixtures of the log's contract: each test runs on the log in memory and on a real Kafka."""

import pytest

from tests.contracts.log_suite import KafkaBench, Member, MemoryBench


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
