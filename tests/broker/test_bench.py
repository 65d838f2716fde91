"""The benchmark's harness works: a run of the worker and of the bare loop has figures and a verdict."""

import asyncio
from dataclasses import replace

import pytest

from tests.bench.harness import prepare, run_one
from tests.bench.regimes import CPU, KILL
from tests.bench.roster import ROSTER

pytestmark = pytest.mark.timeout(240)


@pytest.mark.parametrize("peer", ["worker", "bare"])
def test_a_run_is_measured_and_judged(bootstrap, tmp_path, peer):
    """All messages have their event once, in full batches, and time, memory and the model's calls were seen."""
    regime = replace(CPU, name=f"cpu-{peer}", messages=4_000, subject_seconds=90)

    async def run():
        return await run_one(await prepare(bootstrap, tmp_path, regime), ROSTER[peer], 0, lambda _seen, _seconds: None)

    result = asyncio.run(run())
    assert (result["why"], result["events"], result["lost"], result["doubled"]) == (None, 4_000, 0, 0)
    assert result["calls"] >= 4_000 / 16
    assert result["items_per_call"] > 8
    assert result["rss_mb"] > 10


def test_a_kill_is_survived_and_counted(bootstrap, tmp_path):
    """Nothing is lost or doubled by the worker, and what was asked again is told."""
    regime = replace(KILL, messages=3_000)

    async def run():
        return await run_one(await prepare(bootstrap, tmp_path, regime), ROSTER["worker"], 0, lambda _seen, _seconds: None)

    result = asyncio.run(run())
    assert (result["lost"], result["doubled"]) == (0, 0)
    assert result["killed_at"] >= 1_500
    assert result["reasked"] is not None
