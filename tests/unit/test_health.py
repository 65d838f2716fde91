"""Health: dead is one thing, not ready is another, and both say why."""

import socket

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.exits import Exit, UserError
from workers.health import HealthServer, Heartbeat, Readiness, live
from workers.metrics import Metrics


class Clock:
    """A clock that stands still until it is moved, and the time of the last poll."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.polled: float | None = None


@pytest.fixture
async def serving():
    """A server on a free port, with the clock and the readiness it looks at."""
    clock, readiness = Clock(), Readiness()
    heartbeat = Heartbeat(lambda: clock.now, lambda: clock.polled, limit_seconds=30)
    server = HealthServer(readiness, heartbeat, Metrics("1").exposition)
    port = await server.start("127.0.0.1", 0)
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:

        async def get(path: str) -> tuple[int, str]:
            async with session.get(path) as response:
                return response.status, await response.text()

        yield clock, readiness, get
    await server.stop()


@given(st.floats(0, 1e9), st.floats(0, 1e6), st.floats(0.1, 1e3))
def test_a_worker_lives_exactly_while_its_last_poll_is_fresh(last_poll, silence, limit) -> None:
    """Decided from three numbers."""
    assert live(last_poll + silence, last_poll, limit) is ((last_poll + silence) - last_poll <= limit)


def test_before_its_first_poll_a_worker_lives() -> None:
    """A slow start is told by readiness: killing it would only start it again."""
    assert live(1e9, None, 1)


async def test_live_turns_503_when_the_poll_loop_is_silent_and_200_when_it_polls_again(serving) -> None:
    """A stuck poll loop is what a restart cures."""
    clock, _, get = serving
    clock.polled = clock.now
    assert await get("/live") == (200, '{"live":true}')
    clock.now += 31
    assert await get("/live") == (503, '{"live":false,"poll_silent_seconds":31.0}')
    clock.polled = clock.now
    assert (await get("/live"))[0] == 200


async def test_ready_lists_every_reason_why_not(serving) -> None:
    """An operator reads them, not a code."""
    _, readiness, get = serving
    assert await get("/ready") == (503, '{"ready":false,"reasons":["starting"],"notices":[]}')
    readiness.block("no model answers")
    readiness.clear("starting")
    assert await get("/ready") == (503, '{"ready":false,"reasons":["no model answers"],"notices":[]}')
    readiness.clear("no model answers")
    assert await get("/ready") == (200, '{"ready":true,"reasons":[],"notices":[]}')


async def test_a_notice_is_shown_and_leaves_the_worker_ready(serving) -> None:
    """What an operator should know and no restart mends: one sentence for each thing it is about."""
    _, readiness, get = serving
    readiness.clear("starting")
    readiness.notice("promise a", "old")
    readiness.notice("promise a", "task a: promise broken")
    assert await get("/ready") == (200, '{"ready":true,"reasons":[],"notices":["task a: promise broken"]}')
    readiness.notice("promise a", None)
    assert await get("/ready") == (200, '{"ready":true,"reasons":[],"notices":[]}')


async def test_an_unready_worker_still_lives(serving) -> None:
    """A model outage must not end in restarts."""
    clock, readiness, get = serving
    clock.polled = clock.now
    readiness.block("no model answers")
    assert (await get("/live"))[0] == 200


async def test_metrics_are_prometheus_text(serving) -> None:
    """What a scrape expects."""
    _, _, get = serving
    status, text = await get("/metrics")
    assert status == 200
    assert 'nanotriage_build_info{version="1"} 1.0' in text


def test_readiness_tells_each_change() -> None:
    """For the gauge."""
    told: list[bool] = []
    readiness = Readiness(told.append)
    readiness.clear("starting")
    readiness.block("x")
    assert told == [False, True, False]


async def test_a_taken_port_is_one_sentence() -> None:
    """What is wrong and what to do next."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        server = HealthServer(Readiness(), Heartbeat(lambda: 0, lambda: 0), bytes)
        with pytest.raises(UserError) as caught:
            await server.start("127.0.0.1", port)
        assert str(caught.value).startswith(f"health port {port} on 127.0.0.1 is taken: set NANOTRIAGE_HEALTH__PORT")
        assert caught.value.code is Exit.USAGE
        await server.stop()


async def test_an_address_that_is_not_ours_is_one_sentence() -> None:
    """A typing mistake in the host is no crash."""
    with pytest.raises(UserError, match="cannot listen on health address"):
        await HealthServer(Readiness(), Heartbeat(lambda: 0, lambda: 0), bytes).start("192.0.2.1", 0)
