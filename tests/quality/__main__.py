"""`make quality`: the promise on public labelled data, with the local model, in 200 resamples of each set.

    python -m tests.quality [--data FOLDER] [--set NAME ...] [--draws 200] [--records 1500]

FOLDER holds the sets (NANOTRIAGE_TEST_DATA, or a `data` folder in a folder beside the checkout). The model is asked once,
which takes some minutes a set, and its answers are kept in `.nanotriage/quality`; the figures go to `.nanotriage/quality.json`.
Exit code 1 when a target is missed.
"""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from schemas.promise import Promise
from tests.public_data import find_public_data
from tests.quality.answers import Answers, answers_to
from tests.quality.datasets import SETS
from tests.quality.operation import GONE_BAD, Watched, watch
from tests.quality.resampling import Resampled, resample
from workers.commands.table import print_table
from workers.modelserver.options import DATA

CALIBRATED = {"banking77": 0.03, "clinc150": 0.03}  # the greatest calibration error allowed
HEADS = (
    "SET",
    "PROMISE",
    "KEPT",
    "NAIVE KEPT",
    "COVERAGE",
    "ORACLE",
    "ERROR",
    "BASE ERROR",
    "ESCALATE AT LEAST",
    "ECE",
    "RAW ECE",
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.quality")
    parser.add_argument("--data", type=Path, default=find_public_data())
    parser.add_argument("--set", dest="sets", action="append", choices=list(SETS))
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--records", type=int, default=1_500)
    wanted = parser.parse_args()
    if wanted.data is None:
        print("there is no public labelled data here: name its folder with --data", file=sys.stderr)
        return 2
    found: list[tuple[str, Promise, Resampled]] = []
    watched: dict[str, Watched] = {}
    for name in wanted.sets or SETS:
        answers = _answers(name, wanted.data)
        watched[name] = watch(answers, wanted.draws, wanted.records)
        found += [(name, each, resample(answers, wanted.draws, wanted.records, each)) for each in SETS[name].promises]
    missed = [sentence for each in found for sentence in _missed(*each)]
    missed += [f"{name}: false alarms in {one.false_alarms:.1%}" for name, one in watched.items() if one.false_alarms > 0.02]
    figures = [{"set": name, "promise": promised.model_dump(mode="json"), **asdict(one)} for name, promised, one in found]
    operation = {name: asdict(one) for name, one in watched.items()}
    path = DATA / "quality.json"
    path.write_text(json.dumps({"sets": figures, "watched": operation, "missed": missed}, indent=2), encoding="utf-8")
    print(f"{wanted.draws} draws of {wanted.records} records; every promise at a confidence of 90 %.")
    print_table(HEADS, [_row(*each) for each in found])
    for name, promised, one in found:
        if one.outside_accepted is not None:
            print(f"{name}, {_said(promised)}: {_outside(one)}")
    for name, each in watched.items():
        print(f"{name}, watched: {_watched(each)}")
    for sentence in missed:
        print(f"missed: {sentence}")
    print(f"Figures: {path}")
    return 1 if missed else 0


def _answers(name: str, data: Path) -> Answers:
    folder = SETS[name].build(data, DATA / "quality" / name)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bar = progress.add_task(name, total=SETS[name].size)
        return answers_to(folder, DATA, lambda done: progress.update(bar, completed=done))


def _said(promise: Promise) -> str:
    return f"{promise.error:g}" if promise.unknown is None else f"{promise.error:g}, unknown {promise.unknown:g}"


def _outside(one: Resampled) -> str:
    kept = "nothing is promised of them" if one.outside_kept is None else f"kept in {one.outside_kept:.1%} of the draws"
    among = "none" if one.outside_among_labelled is None else f"{one.outside_among_labelled:.2%}"
    return (
        f"{one.outside_accepted:.1%} of the messages out of scope are labelled ({kept}; {one.outside_a_draw:.0f} examples of "
        f"them a draw), and {among} of the labelled messages are out of scope."
    )


def _watched(one: Watched) -> str:
    if one.findings is None:
        return "nothing is labelled at this promise"
    return (
        f"a false alarm in {one.false_alarms:.1%} of {one.labelling} draws; a model that gets {GONE_BAD:.0%} more wrong is found "
        f"in {one.found:.1%}, after {one.findings:g} findings (median)."
    )


def _row(name: str, promised: Promise, one: Resampled) -> list[str]:
    shares = (one.kept, one.naive_kept, one.coverage, one.oracle_coverage, one.error, one.base_error, one.least_escalated)
    errors = (one.calibration_error, one.raw_calibration_error)
    return [name, _said(promised), *(f"{share:.1%}" for share in shares), *(f"{error:.3f}" for error in errors)]


def _missed(name: str, promised: Promise, one: Resampled) -> list[str]:
    missed = []
    if one.kept < promised.confidence:
        missed.append(f"{name}: the promise is kept in {one.kept:.1%} of the draws")
    if one.calibration_error > CALIBRATED.get(name, 1.0):
        missed.append(f"{name}: the calibration error is {one.calibration_error:.3f}")
    if one.outside_kept is not None and one.outside_kept < promised.confidence:
        missed.append(f"{name}: the promise of unknown messages is kept in {one.outside_kept:.1%} of the draws")
    return missed


if __name__ == "__main__":
    sys.exit(main())
