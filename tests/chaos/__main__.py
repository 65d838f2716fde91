"""Chaos over three brokers and three workers: `python -m tests.chaos --seconds 780 --messages 220000 --seed 1`.

Exit code 1 on any finding. The same seed makes the same schedule of faults, though not the same interleaving.
"""

import argparse
import asyncio
import logging
import signal
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import orjson

from tests.broker.broken_worker import CRIMES
from tests.chaos.report import as_json, table
from tests.chaos.run import Plan, play

RESULT = Path(".nanotriage") / "chaos.json"
CUT = Plan(seconds=100, messages=20_000, seed=20)


def main() -> int:
    """Play, print, write the JSON file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=780, help="length of the load; start and judgement come on top")
    parser.add_argument("--messages", type=int, default=220_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--cut", action="store_true", help="the short run of the test suite")
    parser.add_argument("--broken", choices=sorted(CRIMES), metavar="RULE", help=f"break a rule: {', '.join(sorted(CRIMES))}")
    parser.add_argument("--json", type=Path, default=RESULT, metavar="PATH")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep the workers' logs in this folder")
    wanted = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))  # leaves no process behind, as Ctrl-C
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # the brokers it misses are ours to kill
    plan = CUT if wanted.cut else Plan(wanted.seconds, wanted.messages, wanted.seed)
    plan = replace(plan, broken=wanted.broken)
    print(f"{len(plan.faults())} faults are planned", flush=True)
    with tempfile.TemporaryDirectory(prefix="chaos-") as temporary:
        folder = wanted.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        outcome = asyncio.run(play(plan, folder, lambda line: print(line, flush=True)))
    print(f"\n{table(outcome)}")
    wanted.json.parent.mkdir(parents=True, exist_ok=True)
    wanted.json.write_bytes(orjson.dumps(as_json(outcome), option=orjson.OPT_INDENT_2))
    return 1 if outcome.complaints else 0


if __name__ == "__main__":
    sys.exit(main())
