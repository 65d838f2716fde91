"""A server that answers every question alike."""

from collections.abc import Iterator

import pytest

from tests.unit.evaluating.answering import Answering, serving


@pytest.fixture
def endpoint() -> Iterator[str]:
    with serving(Answering) as base_url:
        yield base_url
