"""The cut of the chaos run that the suite can afford: the same brokers, workers, faults and checker, for a shorter time."""

import pytest

from tests.chaos.__main__ import CUT
from tests.chaos.report import table
from tests.chaos.run import play


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_whatever_falls_each_input_has_exactly_one_event(tmp_path):
    """Workers, brokers and the model fail at random for more than a minute, and every invariant is kept."""
    outcome = await play(CUT, tmp_path, lambda _: None)
    print(f"\n{table(outcome)}")
    assert outcome.complaints == []
    assert outcome.verdict.events == CUT.messages
    assert len(outcome.applied) >= 10
