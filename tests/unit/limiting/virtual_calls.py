"""Callers without end on a limiter and a metered provider, in virtual time."""

import asyncio
import random

from workers.limiting.account import Account
from workers.limiting.concurrency import Concurrency
from workers.limiting.hedging import Hedging
from workers.limiting.limiter import Limiter
from workers.limiting.quota import Known, Quota
from workers.limiting.retries import RetryBudget
from workers.patience import Patience

UNKNOWN, PATIENT = Known(), Patience()


def limiter_of(known=UNKNOWN, ramp=None, patience=PATIENT, most=1_024, adaptive=False, hedge_share=0.0):
    """Return a limiter on the running loop's clock."""
    clock = asyncio.get_running_loop().time
    account = Account(
        Quota(known, ramp), patience, Concurrency(most, adaptive=adaptive), RetryBudget(0.1), Hedging(hedge_share)
    )
    return Limiter(account, clock, random.Random(1).random)


async def call(limiter, provider, reserved, used):
    ticket = await limiter.enter(reserved)
    outcome = await provider.call(reserved, used)
    limiter.report(ticket, outcome)
    return outcome


async def saturate(limiter, provider, callers, seconds, sizes):
    """Let so many callers call without a pause until `seconds` from now; `sizes()` draws reserved and used tokens."""
    end = asyncio.get_running_loop().time() + seconds

    async def caller():
        while asyncio.get_running_loop().time() < end:
            await call(limiter, provider, *sizes())

    tasks = [asyncio.ensure_future(caller()) for _ in range(callers)]
    await asyncio.sleep(seconds)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


def sizes_of(rng, most=6_000):
    """Return sizes as batches have them: the room for the answer is rarely used up."""

    def draw():
        used = rng.randint(300, most)
        return int(used * rng.uniform(1.0, 1.6)), used

    return draw
