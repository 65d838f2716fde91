"""Workers that share an account without talking to each other, in virtual time."""

import asyncio
import random

import pytest

from tests.fakes.metered_provider import MeteredProvider
from tests.simulation.virtual import run_virtually
from tests.unit.limiting.virtual_calls import limiter_of, saturate, sizes_of
from workers.limiting.quota import Known

TOKENS = 9_000_000  # a fleet has a large account: a second of it holds many calls
KNOWN = Known(100_000, TOKENS)


def used_of_quota(provider, start, end):
    """Return the share of the quota that was used, by minutes that begin every ten seconds."""
    counted = [
        sum(tokens for at, tokens in provider.admitted if begin <= at < begin + 60) for begin in range(start, end - 59, 10)
    ]
    return [tokens / TOKENS for tokens in counted]


@pytest.mark.parametrize(("headers", "seed"), [(True, 0), (True, 1), (False, 0)])
def test_three_workers_use_the_quota_and_do_not_pass_it_through_a_join_and_a_death(seed, headers):
    """In every minute at least 0.90 of it, and less than 2 % beyond; refused are less than 2 % of the calls."""

    async def main():
        provider = MeteredProvider(100_000, TOKENS, headers=headers)
        fleet = [limiter_of(KNOWN) for _ in range(3)]
        rng = random.Random(seed)

        def share(*shares):
            for limiter, part in zip(fleet, shares, strict=False):
                limiter.share(part)

        share(1 / 2, 1 / 2)
        running = [asyncio.ensure_future(saturate(one, provider, 32, 360, sizes_of(rng))) for one in fleet[:2]]
        await asyncio.sleep(100)
        share(1 / 3, 1 / 3, 1 / 3)
        await saturate(fleet[2], provider, 32, 120, sizes_of(rng))  # joins, and dies
        await asyncio.sleep(15)  # nobody owns its partitions until the group notices
        share(1 / 2, 1 / 2)
        await asyncio.wait(running)
        minutes = used_of_quota(provider, 20, 360)
        assert min(minutes) >= 0.90
        assert max(minutes) < 1.02
        assert len(provider.refused) < 0.02 * len(provider.admitted)

    run_virtually(main())


def test_what_an_idle_worker_leaves_is_borrowed_and_given_back():
    """One of three has nothing to do: the others use its part too. When it works again it gets its share."""

    async def main():
        provider = MeteredProvider(100_000, TOKENS, headers=True)
        fleet = [limiter_of(KNOWN) for _ in range(3)]
        rng = random.Random(1)
        for limiter in fleet:
            limiter.share(1 / 3)
        running = [asyncio.ensure_future(saturate(one, provider, 32, 360, sizes_of(rng))) for one in fleet[:2]]
        await asyncio.sleep(200)
        before = len(provider.admitted)
        assert min(used_of_quota(provider, 60, 200)) >= 0.85
        assert len(provider.refused) < 0.02 * before
        own = MeteredProvider(100_000, TOKENS, headers=True)
        own.second, own.minute = provider.second, provider.minute
        await saturate(fleet[2], own, 32, 160, sizes_of(rng))
        assert sum(tokens for at, tokens in own.admitted if 240 <= at < 360) / 2 >= 0.85 * TOKENS / 3
        assert len(provider.refused) + len(own.refused) < 0.02 * (len(provider.admitted) + len(own.admitted))
        await asyncio.wait(running)

    run_virtually(main())


def test_without_headers_nothing_is_borrowed():
    """What nobody can see unused may be used: the share is all there is."""

    async def main():
        provider = MeteredProvider(100_000, TOKENS)
        limiter = limiter_of(KNOWN)
        limiter.share(1 / 3)
        await saturate(limiter, provider, 32, 120, sizes_of(random.Random(1)))
        assert max(used_of_quota(provider, 20, 120)) <= 1.02 / 3

    run_virtually(main())


def test_a_share_of_unknown_limits_slows_nobody():
    """There is nothing to share out."""

    async def main():
        limiter = limiter_of()
        limiter.share(0.1)
        for _ in range(1_000):
            await limiter.enter(1_000_000)
        assert asyncio.get_running_loop().time() < 0.01

    run_virtually(main())
