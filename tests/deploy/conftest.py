"""A tool that cannot be had on this machine skips its tests, and the run says how many."""

from collections.abc import Iterator

import pytest

from tests.deploy.tools import ToolMissing


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    try:
        return (yield)
    except ToolMissing as missing:
        pytest.skip(str(missing))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    try:
        return (yield)
    except ToolMissing as missing:
        pytest.skip(str(missing))
