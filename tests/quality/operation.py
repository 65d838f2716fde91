"""A promise in operation, on real answers: alarms while nothing changes, and how soon a model that has gone bad is found.

Each draw is calibrated on some of the answers and watched, by the worker's own monitor, on the others. Every labelled message
is audited here, so that counts of findings are counts of labelled messages.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from schemas.auditing import Finding
from schemas.events import Claim
from schemas.promise import Promise
from tests.quality.answers import Answers
from workers.auditing.monitor import Monitor, Pledge
from workers.promising.shift import sketch_of
from workers.promising.threshold import Example, Kept, keep

PROMISE = Promise(error=0.05, confidence=0.9)
GONE_BAD = 0.3
"""Share of the right labels that are wrong from then on, as sure as before."""

_RIGHT, _WRONG = {"label": "right"}, {"label": "wrong"}


@dataclass(frozen=True, slots=True)
class Watched:
    """`labelling` draws had a threshold. `false_alarms` and `found` are shares of them; `findings` is a median from the change."""

    draws: int
    labelling: int
    false_alarms: float
    found: float
    findings: float | None


def watch(answers: Answers, draws: int, records: int, seed: int = 1) -> Watched:
    """Calibrate on so many answers and watch the rest, first as they are, then once more with a model that has gone bad."""
    rng = random.Random(seed)
    labelling = false_alarms = 0
    delays: list[int] = []
    for _ in range(draws):
        every = answers.examples.copy()
        rng.shuffle(every)
        examples, traffic = every[:records], every[records:]
        kept = keep(examples, [], PROMISE.error, PROMISE.risk())
        if not isinstance(kept, Kept):
            continue
        labelling += 1
        scores = sketch_of([one.score for one in examples])
        monitor = Monitor("t", {"label": frozenset({"right", "wrong"})}, Pledge(PROMISE, ("label",), "c", scores, 0.02, 0.25))
        before = _pass(monitor, traffic, kept.least, 0)
        if monitor.alarm is not None:
            false_alarms += 1
            continue
        worse = [one._replace(right=one.right and rng.random() >= GONE_BAD) for one in traffic]
        after = _pass(monitor, worse, kept.least, before)
        if monitor.alarm is not None:
            delays.append(after - before)
    return Watched(
        draws=draws,
        labelling=labelling,
        false_alarms=false_alarms / labelling if labelling else 0.0,
        found=len(delays) / (labelling - false_alarms) if labelling > false_alarms else 0.0,
        findings=median(delays) if delays else None,
    )


def _pass(monitor: Monitor, traffic: Sequence[Example], least: float, number: int) -> int:
    """Let the messages pass until there is an alarm; return how many findings there have been then."""
    for one in traffic:
        monitor.scored(one.score)
        if one.score >= least and monitor.alarm is None:
            number += 1
            claim = Claim(id=str(number), task="t", calibration="c", labels=_RIGHT)
            monitor.take(Finding(claim=claim, labels=_RIGHT if one.right else _WRONG))
        if monitor.alarm is not None:
            break
    return number
