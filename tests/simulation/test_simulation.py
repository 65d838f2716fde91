"""Thousands of seeded runs on a virtual clock: kills, zombies, lost answers, outages, mangled replies; nothing lost or doubled.

A failing seed is printed; replay it with `make simulate SEED=n`.
"""

import asyncio
import os

import pytest

from tests.simulation.virtual import StoodStill, run_virtually
from tests.simulation.world import World
from topics.lane import Lane
from topics.lane_facts import LaneRules
from topics.ledger import Ledger

SEEDS = int(os.environ.get("SIMULATION_SEEDS", "300"))
ONLY = os.environ.get("SEED")
CHUNK = 50


def outcome(seed, source=None):
    """Return what the checker found in one run, or that it never came to rest."""
    try:
        verdict = run_virtually(World(seed, source).run())
    except (TimeoutError, StoodStill, asyncio.CancelledError) as error:
        return f"never came to rest: {error!r}"
    return "" if verdict.kept else str(verdict)


@pytest.mark.parametrize("start", [int(ONLY)] if ONLY else range(0, SEEDS, CHUNK))
def test_every_input_ends_once_whatever_befalls(start):
    """For each seed, the checker finds every input's one event, in key order, and the committed map in line with it."""
    seeds = [start] if ONLY else range(start, min(start + CHUNK, SEEDS))
    wrong = {seed: found for seed in seeds if (found := outcome(seed))}
    assert not wrong, "\n".join(f"make simulate SEED={seed}: {found}" for seed, found in wrong.items())


def position_from_what_was_seen(patch):
    """Commit the end of what was received, as if it were done."""
    patch.setattr(Ledger, "_watermark", lambda self, without=None: self._next)


def offsets_read_before_the_fence(patch):
    """Read what is committed while a predecessor may still commit."""

    async def read_then_fence(self):
        self._drop_writer()
        past = await self._read_past()
        await asyncio.sleep(0.5)  # virtual: the window in which the predecessor's transaction lands
        self._writer = self._log.writer(self._rules.transactional_id(self.partition), self._rules.group)
        await self._writer.open()
        return past

    patch.setattr(Lane, "_fence_and_read", read_then_fence)


def nobody_is_fenced(patch):
    """Give every process transactional ids of its own."""
    ids = iter(range(10**9))
    patch.setattr(LaneRules, "transactional_id", lambda self, partition: f"{partition}-{next(ids)}")


def retry_without_reading_back(patch):
    """After a commit in doubt, send the same again."""
    patch.setattr(Ledger, "reconcile", lambda self, position, done: setattr(self, "_burst", None))


def a_key_is_not_waited_for(patch):
    """Publish in the order of the answers."""
    patch.setattr(Ledger, "_line_of", lambda self, key: None)


@pytest.mark.parametrize(
    "broken",
    [
        position_from_what_was_seen,
        offsets_read_before_the_fence,
        nobody_is_fenced,
        retry_without_reading_back,
        a_key_is_not_waited_for,
    ],
)
def test_a_broken_rule_is_noticed(broken, monkeypatch):
    """Negative controls: with one rule broken, some seed must fail, or the simulation proves nothing."""
    broken(monkeypatch)
    assert any(outcome(seed) for seed in range(60))
