"""Slow calls made a second time, in virtual time: off by default, a small share, and never at the cost of those who wait."""

import asyncio
import itertools
import random

import pytest

from tests.simulation.virtual import run_virtually
from tests.unit.limiting.virtual_calls import limiter_of
from workers.asking.model import Answer, Call, Question, TryAgain, Usage
from workers.calls import Calls, Permit, first_answered
from workers.limiting.quota import Known

QUESTION = Question((Call(b"{}", ("ref",)),), ("ref",))


class Unlucky:
    """A route on which one call in twenty takes a hundred times as long."""

    def __init__(self, bad=0.05):
        self.rng, self.bad = random.Random(1), bad
        self.asked = self.cancelled = 0

    async def ask(self, _question):
        self.asked += 1
        try:
            await asyncio.sleep(10.0 if self.rng.random() < self.bad else self.rng.uniform(0.08, 0.12))
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return Answer("{}", False, (), Usage(50, 0, 50), "nano", "")


async def ask(limiter, route):
    calls = Calls(route, None, limiter, asyncio.get_running_loop().time)
    return await Permit(calls, await limiter.enter(100), 0.0).ask(QUESTION)


async def many(limiter, route, number):
    return [await ask(limiter, route) for _ in range(number)]


def test_without_a_share_no_call_is_made_twice():
    """Hedging is off unless somebody asks for it."""

    async def main():
        route = Unlucky()
        assert all(asked.hedge is None for asked in await many(limiter_of(), route, 500))
        assert route.asked == 500

    run_virtually(main())


def test_a_slow_call_is_made_again_once_and_the_loser_is_cancelled():
    """The tail shrinks; no more than the share of the calls is made twice; every loser ends."""

    async def main():
        route = Unlucky(bad=0.03)
        limiter = limiter_of(hedge_share=0.1)
        asked = (await many(limiter, route, 1_000))[200:]
        assert sorted(one.seconds for one in asked)[int(0.99 * len(asked))] < 1.0
        assert route.asked <= 1_000 * 1.1 + 5
        await asyncio.sleep(0)
        assert route.cancelled == route.asked - 1_000
        assert {one.hedge for one in asked} >= {None, "second"}

    run_virtually(main())


def test_the_tokens_of_a_loser_are_counted_and_its_place_is_freed():
    """The provider may have worked for it; it is under way no more."""

    async def main():
        limiter = limiter_of(Known(None, 240_000), most=2, hedge_share=0.1)
        route = Unlucky(bad=0.0)
        await many(limiter, route, 30)
        route.bad = 1.0
        slow = asyncio.ensure_future(ask(limiter, route))
        await asyncio.sleep(1)
        assert route.asked == 32
        slow.cancel()
        await asyncio.wait({slow})
        await asyncio.sleep(0)
        assert route.cancelled == 2
        began = asyncio.get_running_loop().time()
        await asyncio.gather(limiter.enter(100), limiter.enter(100))  # both places are free again
        assert asyncio.get_running_loop().time() - began < 0.5

    run_virtually(main())


def test_a_question_of_several_requests_is_made_again_as_so_many():
    """What a hedge reserves is what it sends: labels and values by routes of their own are a call for each message and one."""

    async def main():
        limiter = limiter_of(Known(3_000, None), hedge_share=0.1)  # ten requests at once
        await many(limiter, Unlucky(bad=0.0), 30)
        await asyncio.sleep(1)
        slow = await limiter.enter(100, 5)
        assert limiter.hedge(slow) is None  # five are taken, and twice five is more than the other five
        await asyncio.sleep(1)
        assert limiter.hedge(slow).requests == 5

    run_virtually(main())


@pytest.mark.parametrize("scarce", ["tokens", "places"])
def test_nobody_is_hedged_while_limits_are_scarce(scarce):
    """A second call must not take what a first one waits for."""

    async def main():
        known = Known(None, 6_000) if scarce == "tokens" else Known()
        limiter = limiter_of(known, most=1 if scarce == "places" else 8, hedge_share=0.1)
        route = Unlucky(bad=0.1)
        assert all(asked.hedge is None for asked in await many(limiter, route, 300 if scarce == "places" else 60))

    run_virtually(main())


def test_a_fault_does_not_win_against_a_call_under_way():
    """The first answer counts; faults only when both have failed."""

    async def main():
        limiter = limiter_of(hedge_share=0.1)
        route = Unlucky(bad=0.0)
        await many(limiter, route, 30)
        steps = iter([(2.0, None), (0.5, TryAgain("down"))])

        async def scripted(_question):
            seconds, fault = next(steps)
            await asyncio.sleep(seconds)
            return fault or Answer("{}", False, (), Usage(), "nano", "")

        route.ask = scripted
        asked = await ask(limiter, route)
        assert isinstance(asked.result, Answer)
        assert asked.hedge == "first"
        steps = iter([(2.0, TryAgain("one")), (0.5, TryAgain("two"))])
        asked = await ask(limiter, route)
        assert asked.result in {TryAgain("one"), TryAgain("two")} or asked.hedge is None

    run_virtually(main())


def test_an_answer_counts_that_comes_at_the_same_moment_as_a_fault():
    """It is paid for: neither of the two calls is made again, whichever of them was answered."""

    async def main():
        for results in itertools.product((TryAgain("down"), Answer("{}", False, (), Usage(), "nano", "")), repeat=2):
            gate = asyncio.Event()

            async def call(result, gate=gate):
                await gate.wait()
                return result

            both = [asyncio.ensure_future(call(result)) for result in results]
            first = asyncio.ensure_future(first_answered(both))
            await asyncio.sleep(0)
            gate.set()
            answered = any(isinstance(result, Answer) for result in results)
            assert isinstance((await first).result(), Answer) == answered

    for _ in range(20):  # the order of a set is chance
        run_virtually(main())
