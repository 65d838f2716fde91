"""At low load nobody waits for company, for a cadence or for a poll: an event comes little after the model's answer."""

import asyncio

import pytest

from tests.fakes.scripted_model import ScriptedModel
from tests.simulation.steady import steady
from tests.simulation.virtual import run_virtually

MODEL_SECONDS = 0.3


class SlowModel(ScriptedModel):
    """Takes 300 ms for a call of any size."""

    async def ask(self, question):
        await asyncio.sleep(MODEL_SECONDS)
        return await super().ask(question)


@pytest.mark.parametrize("partitions", [1, 3])
def test_at_one_message_a_second_an_event_comes_within_150_ms_of_the_answer(partitions):
    """p99 over 2,000 messages that come by chance, several at once among them; nine of ten wait for nothing at all."""
    run = run_virtually(steady(SlowModel(), 7, 1.0, 2_000, partitions))
    assert run.percentile(0.99) <= MODEL_SECONDS + 0.15
    assert run.percentile(0.9) <= MODEL_SECONDS + 0.005


def test_at_a_higher_load_messages_share_calls_and_wait_little():
    """At 200 a second the eight slots are busy: batches fill by themselves, far beyond one message a call.

    Nobody waits for long, the least once it is found how many calls help, some hundred messages after the start.
    """
    run = run_virtually(steady(SlowModel(), 8, 200.0, 4_000, 3, {"guard.share": 0}))
    assert len(run.calls) <= 4_000 / 4
    assert max(run.seconds) <= 2 * MODEL_SECONDS + 1.0
    assert sorted(run.seconds[500:])[int(0.99 * 3_500)] <= 2 * MODEL_SECONDS + 0.1
