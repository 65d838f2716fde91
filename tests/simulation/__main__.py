"""Thousands of seeded runs: `python -m tests.simulation --seeds 0-1999 --jobs 2`. Exit code 1 when one fails.

A seed replays exactly: `python -m tests.simulation --seeds 7`, with the log of what happened.
"""

import argparse
import os
import sys
import time

from tests.simulation.runs import outcome, outcomes


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", default="0-1999", help="one seed, or the first and the last of a range")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1), help="processes")
    parser.add_argument("--mode", default="exactly_once", choices=["exactly_once", "at_least_once"], help="delivery.mode")
    asked = parser.parse_args()
    first, _, last = asked.seeds.partition("-")
    seeds = range(int(first), int(last or first) + 1)
    if len(seeds) == 1:
        print(outcome(seeds[0], asked.mode) or f"seed {seeds[0]}: all kept")
        return 0
    started, failed = time.monotonic(), 0
    for seed, found in outcomes(seeds, asked.jobs, asked.mode):
        if found:
            failed += 1
            print(f"seed {seed} fails; replay it with: make simulate SEED={seed} MODE={asked.mode}\n    {found}", flush=True)
    print(f"{len(seeds)} seeds, {failed} failed, {time.monotonic() - started:.0f} s in {asked.jobs} processes")
    return 1 if failed else 0


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != "0":  # the order of sets is part of a run
        again = [sys.executable, "-m", "tests.simulation", *sys.argv[1:]]
        os.execve(sys.executable, again, os.environ | {"PYTHONHASHSEED": "0"})
    sys.exit(main())
