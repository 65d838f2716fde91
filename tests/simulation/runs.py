"""One seeded run, or many of them side by side."""

import asyncio
import logging
import multiprocessing
import traceback
from collections.abc import Iterable, Iterator
from functools import partial

from tests.checker import Promise
from tests.simulation.virtual import StoodStill, run_virtually
from tests.simulation.world import World


def outcome(seed: int, mode: str = "exactly_once") -> str:
    """Return what the checker found in one run, that a worker broke, or that it never came to rest; nothing if all is well."""
    world = World(seed, mode)
    try:
        verdict = run_virtually(world.run())
    except (TimeoutError, StoodStill, asyncio.CancelledError) as error:
        return f"never came to rest: {error!r}"
    except Exception as error:
        return f"broke: {error!r} at {traceback.extract_tb(error.__traceback__)[-1]}"
    if verdict.kept and world.lags and not world.late:
        return "lagging: all is done, and what is committed is not the end of the input"
    if world.promise is Promise.EXACTLY_ONCE:
        misaudited = world.misaudited()
        if verdict.kept and misaudited:
            return f"{len(misaudited)} labelled events without their one audit copy, or copies without their event: {misaudited[:3]}"
        return "" if verdict.kept else str(verdict)
    # Without transactions a last commit may fail after its events are out, and one that arrives late moves the position back:
    # the next owner reads more again, and nothing is lost.
    if not set(verdict.findings) <= {"uncommitted"}:
        return str(verdict)
    again = verdict.repeats + verdict.uncommitted.count
    if not world.late and again > world.in_doubt:
        return f"unbounded: {again} events are or will be repeated, but only {world.in_doubt} were in commits in doubt"
    return ""


def outcomes(seeds: Iterable[int], jobs: int, mode: str) -> Iterator[tuple[int, str]]:
    """Run the seeds in so many processes; yields each seed with its outcome, as they end."""
    with multiprocessing.get_context("fork").Pool(jobs, logging.disable) as pool:
        yield from pool.imap_unordered(partial(_named, mode), seeds, chunksize=10)


def _named(mode: str, seed: int) -> tuple[int, str]:
    return seed, outcome(seed, mode)
