"""The valve of faust's streams: what was fetched while it was open is handed on."""

from typing import Any

import pytest
from mode.utils.queues import FlowControlEvent, FlowControlQueue

from workers.stateful.flow import Flow


async def kept_after_two_openings(flow: FlowControlEvent) -> int:
    queue: FlowControlQueue[Any] = FlowControlQueue(flow_control=flow, clear_on_resume=True)
    queue.put_nowait("of before")
    flow.resume()
    queue.put_nowait("fetched")
    flow.resume()
    return queue.qsize()


@pytest.mark.parametrize(("flow", "kept"), [(Flow, 1), (FlowControlEvent, 0)])
async def test_to_open_what_is_open_throws_nothing_away(flow, kept):
    """faust's own does, and opens twice after a rebalance: a record would be read and never handled."""
    assert await kept_after_two_openings(flow()) == kept


async def test_what_was_there_before_a_rebalance_is_thrown_away():
    """It is read again from the committed position, perhaps by another process."""
    flow = Flow()
    queue: FlowControlQueue[Any] = FlowControlQueue(flow_control=flow, clear_on_resume=True)
    flow.resume()
    queue.put_nowait("of before")
    flow.suspend()
    flow.resume()
    assert queue.empty()
