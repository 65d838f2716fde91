"""One real Kafka for the whole test session, shared by every folder whose conftest takes these fixtures in."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from uuid import uuid4

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from topics.embedded import EmbeddedKafka

SHARED = pytest.StashKey[EmbeddedKafka]()

TopicMaker = Callable[..., Awaitable[str]]


@pytest.fixture(scope="session")
def kafka(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> EmbeddedKafka:
    """A running one-node cluster. The first test that asks for it starts it; the end of the session destroys it."""
    stash = request.config.stash
    if SHARED not in stash:
        cluster = EmbeddedKafka(tmp_path_factory.mktemp("kafka"))
        request.config.add_cleanup(cluster.destroy)
        cluster.start()
        stash[SHARED] = cluster
    return stash[SHARED]


@pytest.fixture(scope="session")
def bootstrap(kafka: EmbeddedKafka) -> str:
    return kafka.bootstrap


@pytest.fixture
async def topic_maker(request: pytest.FixtureRequest, bootstrap: str) -> AsyncIterator[TopicMaker]:
    """An async function of the number of partitions (and topic settings) that returns a new topic's name."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    stem = re.sub(r"[^a-zA-Z0-9_.-]", "-", request.node.name)[:60]

    async def make(partitions: int = 1, **settings: str) -> str:
        return await make_topic(admin, f"{stem}-{uuid4().hex[:8]}", partitions, 1, settings)

    try:
        yield make
    finally:
        await admin.close()


async def make_topic(
    admin: AIOKafkaAdminClient, name: str, partitions: int, replicas: int, settings: dict[str, str] | None = None
) -> str:
    """Make the topic and return its name once every partition has a leader."""
    await admin.create_topics([NewTopic(name, partitions, replicas, topic_configs=settings or {})])
    async with asyncio.timeout(20):
        while True:
            (described,) = await admin.describe_topics([name])
            if len([p for p in described["partitions"] if p["leader"] >= 0]) == partitions:
                return name
            await asyncio.sleep(0.01)


def mark_broker(items: list[pytest.Item], folder: Path) -> None:
    """Mark every test below the folder as needing the broker."""
    for item in items:
        if item.path.is_relative_to(folder):
            item.add_marker(pytest.mark.broker)
