"""How many calls at once, in virtual time: the knee of a server is found, and a server without one is used in full."""

import asyncio
import random

import pytest

from tests.simulation.virtual import run_virtually
from tests.unit.limiting.virtual_calls import limiter_of
from workers.limiting.outcome import Answered, Failed, Limited
from workers.limiting.quota import Known


class Server:
    """Answers in `seconds(n)` while n calls are under way, a little more or less; `slots` at once, the others queue."""

    def __init__(self, seconds, slots=10_000):
        self.seconds, self.slots = seconds, asyncio.Semaphore(slots)
        self.rng = random.Random(1)
        self.now = self.most = self.done = 0

    async def call(self):
        self.now += 1
        self.most = max(self.most, self.now)
        async with self.slots:
            await asyncio.sleep(self.seconds(self.now) * self.rng.uniform(0.8, 1.2))
        self.now -= 1
        self.done += 1


async def load(limiter, server, callers, seconds, outcome=lambda rng: Answered(rng.randint(80, 120))):
    async def caller():
        while True:
            ticket = await limiter.enter(100)
            await server.call()
            limiter.report(ticket, outcome(server.rng))

    tasks = [asyncio.ensure_future(caller()) for _ in range(callers)]
    await asyncio.sleep(seconds)
    server.done, seen = 0, []
    for _ in range(100):
        await asyncio.sleep(seconds / 100)
        seen.append(limiter.most_in_flight)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    return server.done / seconds, sorted(seen)[50]


@pytest.mark.parametrize(("slots", "seconds"), [(1, 3_000), (4, 1_500), (12, 600), (40, 300)])
def test_the_knee_of_a_server_with_slots_is_found(slots, seconds):
    """Nearly the rate that it can give, and a queue at the server no longer than half of its slots, or one."""

    async def main():
        rate, at_once = await load(limiter_of(most=64, adaptive=True), Server(lambda _: 1.0, slots), 64, seconds)
        assert rate >= 0.95 * slots
        assert slots * 0.9 <= at_once <= slots * 1.5 + 1

    run_virtually(main())


@pytest.mark.parametrize("most", [8, 64])
def test_a_server_without_a_knee_is_used_in_full(most):
    """A remote provider answers as fast to many as to few: after a minute at least 0.96 of the most is used."""

    async def main():
        limiter = limiter_of(most=most, adaptive=True)
        rate, at_once = await load(limiter, Server(lambda _: 0.3), most, 60)
        assert rate >= 0.96 * most / 0.3
        assert at_once == most

    run_virtually(main())


def test_trials_in_vain_cost_less_than_a_hundredth():
    """Of a server that answers as fast to many as to few, over ten minutes."""

    async def main():
        rate, _ = await load(limiter_of(most=32, adaptive=True), Server(lambda _: 0.3), 32, 600)
        assert rate >= 0.99 * 32 / 0.3

    run_virtually(main())


def test_a_server_that_batches_is_not_taken_for_a_crowded_one():
    """Its latency grows with the load, and its rate too: the rate decides."""

    async def main():
        rate, at_once = await load(limiter_of(most=64, adaptive=True), Server(lambda n: 1 + n / 64), 64, 400)
        assert at_once >= 48
        assert rate >= 0.9 * 32

    run_virtually(main())


def test_a_low_load_changes_nothing():
    """Too few callers teach nothing about what many would get."""

    async def main():
        limiter = limiter_of(most=64, adaptive=True)
        before = limiter.most_in_flight
        await load(limiter, Server(lambda _: 0.3), 3, 300)
        assert limiter.most_in_flight == before

    run_virtually(main())


def test_a_refusal_without_a_known_limit_cuts_the_number_once_for_all_in_flight():
    """Sixteen refusals of calls that were under way together are one event; with a known limit the pace reacts instead."""

    async def main():
        for known, after in ((Known(), 11), (Known(60_000, None), 16)):
            limiter = limiter_of(known, most=64, adaptive=True)
            for ticket in [await limiter.enter(10) for _ in range(16)]:
                limiter.report(ticket, Limited(0.1))
            assert limiter.most_in_flight == after

    run_virtually(main())


def test_one_fault_in_a_hundred_is_chance_and_a_third_is_too_much():
    """Sporadic faults cost no concurrency; a provider that fails often is asked by fewer at once."""

    async def main(share):
        limiter = limiter_of(most=64, adaptive=True)
        server = Server(lambda _: 0.3)
        _, at_once = await load(limiter, server, 64, 60, lambda rng: Failed() if rng.random() < share else Answered(100))
        return at_once

    assert run_virtually(main(0.01)) >= 48
    assert run_virtually(main(0.35)) <= 24


def test_a_fixed_number_stays():
    """Where the operator says so."""

    async def main():
        limiter = limiter_of(most=32, adaptive=False)
        await load(limiter, Server(lambda _: 1.0, 4), 64, 100)
        assert limiter.most_in_flight == 32

    run_virtually(main())
