"""The limiter in virtual time, against a provider that enforces a minute's limits over one second."""

import asyncio
import itertools
import random

import pytest

from tests.fakes.metered_provider import MeteredProvider
from tests.simulation.virtual import run_virtually
from tests.unit.limiting.virtual_calls import call, limiter_of, saturate, sizes_of
from workers.allowance import UNTOLD, Allowance, Allowances
from workers.limiting.outcome import Answered, Limited, Unused
from workers.limiting.quota import Known
from workers.limiting.ramp import Ramp
from workers.patience import Patience


def used_between(provider, start, end):
    return sum(tokens for at, tokens in provider.admitted if start <= at < end)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("learned", [False, True])
def test_a_token_limit_is_used_up_and_not_passed(seed, learned):
    """Over a steady minute at least 0.97 of the tokens are used, and at most 1 call in 1,000 is refused."""

    async def main():
        provider = MeteredProvider(100_000, 900_000, headers=learned)
        limiter = limiter_of(Known() if learned else Known(100_000, 900_000))
        if learned:
            await call(limiter, provider, 100, 100)
        await saturate(limiter, provider, 64, 80, sizes_of(random.Random(seed)))
        assert used_between(provider, 15, 75) >= 0.97 * 900_000
        assert len(provider.refused) <= 0.001 * len(provider.admitted)

    run_virtually(main())


@pytest.mark.parametrize("seed", range(3))
def test_a_request_limit_is_used_up_and_not_passed(seed):
    """The same where requests bind: paced over less than a second, whatever their size."""

    async def main():
        provider = MeteredProvider(600, 10_000_000)
        await saturate(limiter_of(Known(600, 10_000_000)), provider, 64, 80, sizes_of(random.Random(seed)))
        assert len([at for at, _ in provider.admitted if 15 <= at < 75]) >= 0.97 * 600
        assert len(provider.refused) <= 0.001 * len(provider.admitted)

    run_virtually(main())


def test_a_large_call_waits_its_turn_and_no_longer():
    """Behind 10 small calls and before 300 others it starts 11th, although the small ones fit in the gaps."""

    async def main():
        provider = MeteredProvider(100_000, 60_000, seconds=0.0)
        limiter = limiter_of(Known(None, 60_000))
        order = []

        async def one(name, tokens):
            await call(limiter, provider, tokens, tokens)
            order.append(name)

        sizes = [100] * 10 + [1_000] + [100] * 300
        await asyncio.gather(*(one(number, size) for number, size in enumerate(sizes)))
        assert order == list(range(len(sizes)))
        assert provider.refused == []

    run_virtually(main())


def test_a_call_larger_than_a_second_of_the_limit_passes():
    """It leaves a debt, which those after it wait off."""

    async def main():
        limiter = limiter_of(Known(None, 6_000))
        clock = asyncio.get_running_loop().time
        await limiter.enter(1_000)
        await limiter.enter(100)
        assert clock() == pytest.approx(10, abs=0.5)

    run_virtually(main())


def test_what_was_reserved_and_not_used_is_given_back():
    """The next call starts as early as the tokens really used allow."""

    async def main():
        limiter = limiter_of(Known(None, 60_000))
        clock = asyncio.get_running_loop().time
        first = await limiter.enter(5_000)
        limiter.report(first, Answered(1_000))
        second = await limiter.enter(200)
        assert clock() == pytest.approx(1.0, abs=0.05)
        limiter.report(second, Answered(2_200))  # more than thought: charged
        await limiter.enter(200)
        assert clock() == pytest.approx(3.2, abs=0.05)

    run_virtually(main())


def test_a_permit_that_was_not_used_costs_nothing():
    """Neither its request nor its tokens."""

    async def main():
        limiter = limiter_of(Known(60, 6_000))
        for _ in range(20):
            limiter.report(await limiter.enter(1_000), Unused())
        assert asyncio.get_running_loop().time() == pytest.approx(0, abs=0.01)

    run_virtually(main())


def test_a_refusal_holds_everybody_until_retry_after():
    """Those who wait and those who come later; then all go on."""

    async def main():
        limiter = limiter_of()
        clock = asyncio.get_running_loop().time
        limiter.report(await limiter.enter(10), Limited(7.0))
        await asyncio.gather(limiter.enter(10), limiter.enter(10))
        assert clock() == pytest.approx(7.0, abs=0.01)

    run_virtually(main())


def test_retry_after_is_bounded_by_the_operator():
    """A provider that asks for a day is asked again after `most_seconds`."""

    async def main():
        limiter = limiter_of(patience=Patience(0.5, 30.0))
        limiter.report(await limiter.enter(10), Limited(86_400.0))
        await limiter.enter(10)
        assert asyncio.get_running_loop().time() == pytest.approx(30.0, abs=0.01)

    run_virtually(main())


def test_refusals_without_a_time_double_the_pause_once_each():
    """Eight refusals in flight are one event; the next one after the pause doubles it."""

    async def main():
        limiter = limiter_of(patience=Patience(1.0, 60.0))
        clock = asyncio.get_running_loop().time
        waits = []
        for _ in range(4):
            tickets = [await limiter.enter(10) for _ in range(8)]
            began = clock()
            for ticket in tickets:
                limiter.report(ticket, Limited(None))
            limiter.report(await limiter.enter(10), Unused())
            waits.append(clock() - began)
        assert all(0.5 * 2**n <= wait <= 2.0**n + 0.01 for n, wait in enumerate(waits))

    run_virtually(main())


def test_whoever_gives_up_waiting_leaves_no_trace():
    """Cancelled waiters hold no place, before and after being admitted."""

    async def main():
        limiter = limiter_of(Known(None, 60))
        first = asyncio.ensure_future(limiter.enter(10))
        others = [asyncio.ensure_future(limiter.enter(10)) for _ in range(5)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert first.done()
        for other in others:
            other.cancel()
        await asyncio.wait(others)
        assert limiter.waiting == 0
        await limiter.enter(10)
        assert asyncio.get_running_loop().time() < 20

    run_virtually(main())


def test_somebody_else_on_the_account_costs_few_refusals():
    """A stranger uses half of the limit: headers make room before refusals must, and nearly all of the rest is used."""

    async def main():
        provider = MeteredProvider(100_000, 900_000, headers=True)
        limiter = limiter_of(Known(100_000, 900_000))

        async def stranger():
            while True:
                await asyncio.sleep(0.5)
                for meter in (provider.second[1], provider.minute[1]):
                    meter.refill(asyncio.get_running_loop().time())
                    meter.level -= 450_000 / 120

        other = asyncio.ensure_future(stranger())
        provider.second[1].seconds = 60.0  # a provider that enforces the minute
        await saturate(limiter, provider, 64, 600, sizes_of(random.Random(1)))
        other.cancel()
        assert 0.9 * 450_000 <= used_between(provider, 300, 600) / 5 <= 450_000 * 1.02
        assert len(provider.refused) <= 0.01 * len(provider.admitted)

    run_virtually(main())


def test_above_a_million_tokens_a_minute_the_load_ramps():
    """At most half more in 15 minutes, however high the limit; a limit below a million needs no ramp."""

    async def main():
        provider = MeteredProvider(1e6, 1e9, seconds=1.0)
        limiter = limiter_of(Known(None, 1e9), ramp=Ramp())
        await saturate(limiter, provider, 100, 3_600, lambda: (20_000, 20_000))
        minutes = [used_between(provider, 60 * m, 60 * m + 60) for m in range(60)]
        assert minutes[1] <= 1.02e6
        assert all(minutes[m + 15] <= 1.5 * max(minutes[m], 1e6) * 1.03 for m in range(1, 45))
        assert minutes[59] >= 2e6

    run_virtually(main())


def test_slow_down_is_slower_to_come_back_from_than_a_plain_refusal():
    """A tenth less and back in ten seconds, against a third less and back at half in 15 minutes."""

    async def main(slow_down):
        provider = MeteredProvider(100_000, 900_000)
        limiter = limiter_of(Known(100_000, 900_000))
        limiter.report(await limiter.enter(10), Limited(1.0, slow_down))
        await saturate(limiter, provider, 64, 120, sizes_of(random.Random(1)))
        return used_between(provider, 40, 100) / 900_000

    assert run_virtually(main(slow_down=False)) >= 0.97
    assert 0.68 <= run_virtually(main(slow_down=True)) <= 0.78


def test_a_refusal_in_the_pause_after_an_answer_is_a_first_refusal():
    """Calls under way at a refusal end as they like: an answer, then another refusal; the pause is that of one refusal."""

    async def main():
        limiter = limiter_of()
        tickets = [await limiter.enter(100) for _ in range(3)]
        for ticket, outcome in zip(tickets, (Limited(None), Answered(100), Limited(None)), strict=True):
            limiter.report(ticket, outcome)
        clock = asyncio.get_running_loop().time
        await limiter.enter(100)
        assert 0.25 <= clock() <= 0.5

    run_virtually(main())


def test_a_question_of_several_requests_takes_as_many():
    """At 600 requests a minute, questions of 17 requests start 1.7 s apart."""

    async def main():
        limiter = limiter_of(Known(600, None))
        clock = asyncio.get_running_loop().time
        starts = []
        for _ in range(5):
            ticket = await limiter.enter(100, 17)
            starts.append(clock())
            limiter.report(ticket, Answered(100, UNTOLD))
        gaps = [after - before for before, after in itertools.pairwise(starts)]
        assert all(gap == pytest.approx(1.7) for gap in gaps)

    run_virtually(main())


@pytest.mark.parametrize("outcome", [Answered(2_000), Limited(0.0), Unused()])
def test_what_started_before_a_limit_was_known_gives_nothing_back(outcome):
    """Nothing was taken for it: the bucket begins empty, and what is reserved too much is no leave for a burst."""

    async def main():
        limiter, clock = limiter_of(patience=Patience(0.001, 0.001)), asyncio.get_running_loop().time
        first, *others = [await limiter.enter(4_000, 1) for _ in range(64)]
        told = Allowances(Allowance(600, 600, 0.0), Allowance(200_000, 200_000, 0.0))
        limiter.report(first, Answered(2_000, told))
        starts = []

        async def later():
            limiter.report(await limiter.enter(4_000), Answered(4_000))
            starts.append(clock())

        waiting = [asyncio.ensure_future(later()) for _ in range(10)]
        await asyncio.sleep(0)
        for ticket in others:
            limiter.report(ticket, outcome)
        await asyncio.wait(waiting)
        assert starts[-1] - starts[0] >= 0.9 * 9 * 4_000 / 200_000 * 60

    run_virtually(main())


def test_a_retry_that_is_not_made_costs_nothing_of_the_budget():
    """Messages that were taken away while their retry waited leave the budget to the others."""

    async def main():
        limiter = limiter_of()
        for _ in range(50):
            limiter.report(await limiter.enter(100, again=True), Unused())
        assert asyncio.get_running_loop().time() < 0.001

    run_virtually(main())


def test_a_refusal_of_a_part_of_a_question_holds_everybody_back():
    """What was answered is settled, and the next call waits as long as the provider asked for."""

    async def main():
        limiter, clock = limiter_of(Known(600, None)), asyncio.get_running_loop().time
        limiter.report(await limiter.enter(100, 17), Answered(100, limited=Limited(10.0)))
        await limiter.enter(100)
        assert clock() >= 10.0

    run_virtually(main())


def test_what_slow_calls_give_back_is_no_burst_after_a_quiet_time():
    """64 calls of ten seconds use a quarter of what they reserve; the next 64, ten minutes later, are paced like the first."""

    async def main():
        provider = MeteredProvider(1e6, 600_000, seconds=10.0)
        limiter = limiter_of(Known(None, 600_000))
        for _ in range(3):
            await asyncio.gather(*(call(limiter, provider, 6_000, 1_500) for _ in range(64)))
            await asyncio.sleep(600)
        assert provider.refused == []

    run_virtually(main())
