"""What controls change of a running worker: packing, labels, budget, shares; and what it will not do."""

import asyncio

import pytest

from tests.helpers import until
from tests.unit.controlling.house import ControlHouse, task_of

HELD = {"reason": "held_back", "field": None, "detail": "anna: so"}


def sizes(house, since=0):
    return [len(texts) for texts in house.model.texts[since:]]


async def test_batches_are_as_large_as_is_wanted_now():
    """Not larger from the acknowledgement on, and as the settings say when nothing is wanted any more."""
    house = ControlHouse(**{"model.concurrency": 1})
    async with house.working():
        for wanted, most in ((2, 2), (None, 16)):
            await house.change("tickets", batching={"max_items": wanted})
            before = len(house.model.texts)
            house.send(64)
            await house.settled()
            assert max(sizes(house, before)) == most


async def test_a_message_waits_for_company_as_long_as_is_wanted_now():
    """A lone one goes at once after the change, though it came before it."""
    house = ControlHouse(**{"batching.linger_seconds": 60.0})
    async with house.working():
        house.send(3)
        await house.change("tickets", batching={"linger_seconds": 0})
        await house.settled()


@pytest.mark.parametrize(
    ("parts", "why"),
    [
        ({"batching": {"max_items": 17}}, "larger than the settings allow, 16"),
        ({"batching": {"max_tokens": 6_001}}, "larger than the settings and the model allow"),
        ({"tenants": {"acme": 2}}, "no tenants"),
    ],
)
async def test_what_a_worker_cannot_do_it_refuses_with_the_reason(parts, why):
    """And runs on what it ran; the pause beside it in the same control is not run either."""
    house = ControlHouse()
    async with house.working():
        await house.change("tickets", batching={"max_items": 4})
        control, came = await house.change("tickets", paused=True, **parts)
        assert (control.version, came.running) == (2, {})
        (said,) = came.refused.values()
        assert why in said
        house.send(3)
        await house.settled()


async def test_a_prompt_must_fit_what_is_wanted():
    """A limit below the prompt would mean calls about nothing."""
    house = ControlHouse(task_of().model_copy(update={"instructions": "Label the tickets. " * 400}))
    async with house.working():
        _, came = await house.change("tickets", batching={"max_tokens": 256})
        assert "the prompt alone takes" in next(iter(came.refused.values()))


async def test_labels_are_held_back_as_long_as_an_operator_wants_it():
    """Everything answered is escalated with that reason and the best answer; then labels go out again."""
    house = ControlHouse()
    house.model.label = lambda _text: {"sure": "high"}
    async with house.working():
        await house.change("tickets", labels="escalate")
        house.send(10)
        await house.settled()
        assert [event["event"] for event in house.events()] == ["nanotriage.escalated.v1"] * 10
        assert all(event["reasons"] == [HELD] and event["fields"]["intent"]["value"] for event in house.events())
        await house.change("tickets", labels="publish")
        house.send(10)
        await house.settled()
    assert len(house.cluster.read("labelled")) == 10


async def test_a_budget_holds_calls_back_and_lets_them_go_again():
    """One request a minute: one call at most; off: all go at once."""
    house = ControlHouse(**{"batching.max_items": 1})
    async with house.working():
        house.send(1)
        await house.settled()
        await house.change(budget={"requests_per_minute": 1})
        asked = len(house.model.texts)
        house.send(5)
        await until(lambda: len(house.model.texts) == asked or house.done() == 2)
        await asyncio.sleep(0.3)  # nothing may happen, which has no condition
        assert len(house.model.texts) <= asked + 1
        await house.change(budget={"requests_per_minute": None})
        await house.settled()


async def test_tenants_share_as_is_wanted():
    """With a weight of ten, a tenant's backlog goes nearly alone; both had come before the change."""
    house = ControlHouse(task_of(tenant="who"), **{"model.concurrency": 1, "batching.max_items": 4})
    house.model.hold = asyncio.Event()
    house.model.hold.set()
    async with house.working():
        await house.change("tickets", tenants={"acme": 10})
        house.model.hold.clear()
        for _ in range(200):
            for who in ("acme", "globex"):
                house.send(1, who=who)
        await until(lambda: len(house.model.texts) > 1)
        asked = len(house.model.texts)
        house.model.hold.set()
        await house.settled()
    first = [text for texts in house.model.texts[asked + 5 : asked + 30] for text in texts]
    acme = sum(int(text.split()[1]) % 2 for text in first)  # odd numbers are acme's
    assert acme > 0.8 * len(first)
