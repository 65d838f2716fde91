"""The breaker and the retry budget: calls are held back, and none is lost."""

import asyncio
import itertools

import pytest

from tests.simulation.virtual import run_virtually
from tests.unit.limiting.virtual_calls import limiter_of
from workers.limiting.breaker import FAULTS, BreakerState
from workers.limiting.outcome import Answered, Failed, Limited, Unused
from workers.patience import Patience

PATIENCE = Patience(first_seconds=2.0, most_seconds=60.0)


async def fail(limiter, times, **how):
    for _ in range(times):
        limiter.report(await limiter.enter(10, **how), Failed())


def test_faults_in_a_row_open_it_and_answers_between_them_do_not():
    """One answer begins the count anew."""

    async def main():
        limiter = limiter_of(patience=PATIENCE)
        await fail(limiter, FAULTS - 1)
        limiter.report(await limiter.enter(10), Answered(10))
        await fail(limiter, FAULTS - 1)
        assert limiter.breaker is BreakerState.CLOSED
        await fail(limiter, 1)
        assert limiter.breaker is BreakerState.OPEN

    run_virtually(main())


def test_while_open_nobody_calls_then_one_looks_and_an_answer_frees_all():
    """Eight wait; after the pause one goes, and when it is answered the others."""

    async def main():
        limiter = limiter_of(patience=PATIENCE)
        clock = asyncio.get_running_loop().time
        await fail(limiter, FAULTS)
        started = []

        async def one():
            ticket = await limiter.enter(10)
            started.append(clock())
            return ticket

        waiting = [asyncio.ensure_future(one()) for _ in range(8)]
        await asyncio.sleep(30)
        assert len(started) == 1
        assert 1.0 <= started[0] <= 2.0
        assert limiter.breaker is BreakerState.HALF_OPEN
        limiter.report(waiting[0].result(), Answered(10))
        await asyncio.wait(waiting)
        assert started[1:] == [pytest.approx(30.0, abs=0.01)] * 7
        assert limiter.breaker is BreakerState.CLOSED

    run_virtually(main())


def test_each_failed_look_doubles_the_pause_up_to_the_most():
    """An outage of an hour costs about a look a minute."""

    async def main():
        limiter = limiter_of(patience=PATIENCE)
        clock = asyncio.get_running_loop().time
        await fail(limiter, FAULTS)
        looks = [clock()]
        while clock() < 3600:
            await fail(limiter, 1)
            looks.append(clock())
        pauses = [later - earlier for earlier, later in itertools.pairwise(looks)]
        assert all(min(60, 2.0 * 2**n) / 2 <= pause <= min(60, 2.0 * 2**n) + 0.01 for n, pause in enumerate(pauses))
        assert len(pauses) <= 125

    run_virtually(main())


@pytest.mark.parametrize("ends", ["unused", "cancelled", "late fault"])
def test_a_look_that_tells_nothing_lets_another_look(ends):
    """A call that was not made, and faults of calls from before, neither close nor block it."""

    async def main():
        limiter = limiter_of(patience=PATIENCE)
        early = await limiter.enter(10)
        await fail(limiter, FAULTS)
        look = await limiter.enter(10)
        if ends == "late fault":
            limiter.report(early, Failed())
            assert limiter.breaker is BreakerState.HALF_OPEN
        else:
            limiter.report(look, Unused())
            await asyncio.wait_for(limiter.enter(10), 1)
            assert limiter.breaker is BreakerState.HALF_OPEN

    run_virtually(main())


def test_whoever_refuses_for_limits_is_there():
    """A 429 closes the breaker; its own pause is kept."""

    async def main():
        limiter = limiter_of(patience=PATIENCE)
        await fail(limiter, FAULTS)
        limiter.report(await limiter.enter(10), Limited(3.0))
        assert limiter.breaker is BreakerState.CLOSED

    run_virtually(main())


def test_retries_beyond_their_share_wait_and_first_calls_pass_them():
    """While retries fail, about a tenth of the calls are retries; all of them are made in the end."""

    async def main():
        limiter = limiter_of(patience=PATIENCE)
        counts = {True: 0, False: 0}

        async def again():
            while counts[False] < 500:
                ticket = await limiter.enter(10, again=True)
                counts[True] += 1
                limiter.report(ticket, Failed())

        async def first():
            while counts[False] < 500:
                ticket = await limiter.enter(10)
                counts[False] += 1
                await asyncio.sleep(0.01)
                limiter.report(ticket, Answered(10))

        waiting = [asyncio.ensure_future(again()) for _ in range(20)]
        await first()
        assert counts[True] <= 10 + 500 * 0.1 + 2
        await asyncio.wait(waiting)
        assert counts[True] >= 20

    run_virtually(main())


def test_after_an_outage_retries_that_are_answered_go_on_without_a_pause():
    """Everybody asks again, nobody for the first time: answers pay for the next ones."""

    async def main():
        limiter = limiter_of(patience=PATIENCE)

        async def one():
            ticket = await limiter.enter(10, again=True)
            await asyncio.sleep(0.1)
            limiter.report(ticket, Answered(10))

        await asyncio.gather(*(one() for _ in range(200)))
        assert asyncio.get_running_loop().time() <= 2.5

    run_virtually(main())
