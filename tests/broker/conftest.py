"""Tests against a real Kafka. All are marked `broker`."""

from pathlib import Path

import pytest

from tests.kafka_fixtures import bootstrap, kafka, mark_broker, topic_maker

__all__ = ["bootstrap", "kafka", "topic_maker"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    mark_broker(items, Path(__file__).parent)
