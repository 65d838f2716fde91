"""The worker beside the field, in one run on one broker: `make bench`, or a part: `make bench REGIME=cpu PEERS=worker,bare`.

Only ratios within a run mean something: machines differ and are shared. Runs take turns, one at a time; the model is a
process of its own whose CPU is told apart. A run that finds no room in the time (`--minutes`) is listed as such. Writes
JSON, a table and plots into `tests/bench/results/`, parts and quick runs into `.nanotriage/bench/results/`.
"""

import argparse
import asyncio
import logging
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

import orjson

from tests.bench.harness import Result, prepare, run_one
from tests.bench.regimes import BATCH, PARTITIONS, REGIMES, Regime, quick
from tests.bench.results import markdown, ratios
from tests.bench.roster import BENCH_PYTHON, ROOT, ROSTER, SUBJECTS, WORKER, Peer
from tests.bench.targets import as_json, judged
from topics.embedded import EmbeddedKafka

WHOLE, PART = ROOT / "tests" / "bench" / "results", ROOT / ".nanotriage" / "bench" / "results"
_START_SECONDS = 15  # of a run, about


def main() -> int:
    options = arguments()
    regimes = [quick(REGIMES[name]) if options.quick else REGIMES[name] for name in options.regime]
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    for number in (signal.SIGINT, signal.SIGTERM):  # also where a shell started it with SIGINT ignored
        signal.signal(number, interrupted)
    results, left_out = [], []
    deadline = time.monotonic() + options.minutes * 60
    with tempfile.TemporaryDirectory() as folder, EmbeddedKafka(Path(folder)) as kafka:
        stages = {}
        for regime in regimes:
            say(f"preparing {regime.name}")
            stages[regime.name] = asyncio.run(prepare(kafka.bootstrap, Path(folder), regime))
        for regime, peer, number in programme(regimes, options.peers):
            if (why := reason(peer, regime, deadline)) is not None:
                left_out.append({"regime": regime.name, "peer": peer.name, "why": why})
                say(f"{regime.name}: {peer.title}: not run, {why}")
                continue
            result = asyncio.run(run_one(stages[regime.name], peer, number, progress(peer)))
            say(f"\r{regime.name}: {peer.title}: {line(result)}")
            results.append(result)
    whole = not options.quick and set(options.regime) == set(REGIMES) and set(options.peers) == set(ROSTER)
    write(options.out or (WHOLE if whole else PART), results, left_out, regimes)
    broken = [
        result for result in results if result["peer"] == WORKER and (result["why"] or result["lost"] or result["doubled"])
    ]
    return 1 if broken else 0


def interrupted(*_: object) -> NoReturn:
    """End as after Ctrl-C: peers, model and broker end too."""
    raise KeyboardInterrupt


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--regime", type=_names(REGIMES), default=list(REGIMES), help=f"some of {','.join(REGIMES)}")
    parser.add_argument("--peers", type=_names(ROSTER), default=list(ROSTER), help=f"some of {','.join(ROSTER)}")
    parser.add_argument("--quick", action="store_true", help="short runs: does everything work?")
    parser.add_argument("--minutes", type=float, default=19.5, help="time in all")
    parser.add_argument("--out", type=Path, help="folder of the results")
    return parser.parse_args()


def _names(known: dict[str, Any]) -> Callable[[str], list[str]]:
    def parse(text: str) -> list[str]:
        names = [name for name in text.split(",") if name] or list(known)
        if unknown := [name for name in names if name not in known]:
            raise argparse.ArgumentTypeError(f"unknown {unknown[0]!r}: choose from {', '.join(known)}")
        return names

    return parse


def turns(regime: Regime, names: list[str]) -> Iterator[tuple[Peer, int]]:
    """Give the runs of a regime: the worker and the bare loop take turns, then everybody else runs once."""
    mine = [name for name in names if (regime.only is None or name in regime.only) and _plays(name, regime)]
    subjects = [ROSTER[name] for name in mine if name in SUBJECTS]
    for number in range(regime.rounds):
        for peer in subjects if number % 2 == 0 else reversed(subjects):
            yield peer, number
    for name in mine:
        if name not in SUBJECTS:
            yield ROSTER[name], 0


def programme(regimes: Sequence[Regime], names: list[str]) -> Iterator[tuple[Regime, Peer, int]]:
    """Give all runs: the worker's and the bare loop's of every regime first, so that time runs out for none of them."""
    runs = [(regime, peer, number) for regime in regimes for peer, number in turns(regime, names)]
    yield from (run for run in runs if run[1].name in SUBJECTS)
    yield from (run for run in runs if run[1].name not in SUBJECTS)


def _plays(name: str, regime: Regime) -> bool:
    only = ROSTER[name].only
    return only is None or regime.name in only


def reason(peer: Peer, regime: Regime, deadline: float) -> str | None:
    """Return why a run cannot be, or None."""
    if (why := peer.missing()) is not None:
        return why
    return "there is no time left" if time.monotonic() + _START_SECONDS + regime.seconds_of(peer.name) > deadline else None


def progress(peer: Peer) -> Callable[[int, float], None]:
    """Tell how far a run is: all the time on a terminal, now and then in a log."""
    told = 0.0

    def report(seen: int, seconds: float) -> None:
        nonlocal told
        if sys.stdout.isatty():
            print(f"\r  {peer.title}: {seen:,} events after {seconds:.0f} s ", end="", flush=True)
        elif seconds - told > 10:
            told = seconds
            say(f"  {peer.title}: {seen:,} events after {seconds:.0f} s")

    return report


def line(result: Result) -> str:
    names = (
        "per_second",
        "per_cpu_second",
        "efficiency",
        "rss_mb",
        "lost",
        "doubled",
        "reasked",
        "limited_share",
        "latency_p99",
    )
    shown = [f"{name} {result[name]:,.4g}" for name in names if result.get(name) is not None]
    return ", ".join([*shown, *([result["why"]] if result["why"] else [])])


def say(text: str) -> None:
    print(text, flush=True)


def write(folder: Path, results: list[Result], left_out: list[dict[str, str]], regimes: list[Regime]) -> None:
    """Write what was found and print the tables."""
    folder.mkdir(parents=True, exist_ok=True)
    measured = ratios(results)
    targets = judged(measured)
    found = {
        "ratios": measured,
        "targets": as_json(targets),
        "results": results,
        "left_out": left_out,
        "settings": {"batch": BATCH, "partitions": PARTITIONS, "messages": {r.name: r.messages for r in regimes}},
        "machine": {"cpus": os.cpu_count(), "python": platform.python_version(), "system": platform.platform()},
    }
    (folder / "bench.json").write_bytes(orjson.dumps(found, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    text = "Of one run: only ratios within it mean something.\n\n"
    text += "\n".join(markdown(regime.name, regime.says, results) for regime in regimes)
    text += "\n### targets\n\n" + "\n".join(f"- {target.sentence}" for target in targets) + "\n"
    text += "".join(f"- not run: {ROSTER[each['peer']].title} in {each['regime']}: {each['why']}\n" for each in left_out)
    (folder / "bench.md").write_text(text, encoding="utf-8")
    say(f"\n{text}\n" + "\n".join(f"{name}: {value}" for name, value in found["ratios"].items()))
    if BENCH_PYTHON.exists():
        subprocess.run([BENCH_PYTHON, "-m", "tests.bench.plots", str(folder)], cwd=ROOT, check=True)
    say(f"\nwritten to {folder}")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
