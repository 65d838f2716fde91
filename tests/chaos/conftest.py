"""Chaos over three real brokers. All are marked `broker`."""

from pathlib import Path

import pytest

from tests.kafka_fixtures import mark_broker


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    mark_broker(items, Path(__file__).parent)
