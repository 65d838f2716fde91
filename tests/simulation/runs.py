"""One seeded run, or many of them side by side."""

import asyncio
import logging
import multiprocessing
import traceback
from collections.abc import Iterable, Iterator

from tests.simulation.virtual import StoodStill, run_virtually
from tests.simulation.world import World


def outcome(seed: int) -> str:
    """Return what the checker found in one run, that a worker broke, or that it never came to rest; nothing if all is well."""
    try:
        verdict = run_virtually(World(seed).run())
    except (TimeoutError, StoodStill, asyncio.CancelledError) as error:
        return f"never came to rest: {error!r}"
    except Exception as error:
        return f"broke: {error!r} at {traceback.extract_tb(error.__traceback__)[-1]}"
    return "" if verdict.kept else str(verdict)


def outcomes(seeds: Iterable[int], jobs: int) -> Iterator[tuple[int, str]]:
    """Run the seeds in so many processes; yields each seed with its outcome, as they end."""
    with multiprocessing.get_context("fork").Pool(jobs, logging.disable) as pool:
        yield from pool.imap_unordered(_named, seeds, chunksize=10)


def _named(seed: int) -> tuple[int, str]:
    return seed, outcome(seed)
