"""Calibrating again and again: how often the promise is kept, and at which coverage. Pure apart from its seeded chance.

The answers are the whole population, and each draw is a set of labelled examples from it with replacement, so the true error
above a threshold is counted over all answers. Probabilities are judged on answers that are not in the draw.
"""

import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from statistics import fmean

from schemas.promise import REST, Promise
from tests.promises import Population, naive
from tests.quality.answers import Answers
from workers.evaluating.calibrating import Evidence, thresholds
from workers.promising.maps import fit
from workers.promising.reliability import calibration_error
from workers.promising.threshold import Example, least_escalated

NOTHING = 2.0  # above every score
PROMISE = Promise(error=0.05, confidence=0.9)


@dataclass(frozen=True, slots=True)
class Resampled:
    """Shares of the draws, of the examples, and of all records. What is said of `outside` is None without any out of scope.

    `outside_kept` is the share of the draws in which no more of the out-of-scope messages were labelled than promised of them,
    None where nothing was; `outside_a_draw` is how many of them a draw has.
    """

    draws: int
    examples_a_draw: int
    base_error: float
    least_escalated: float
    kept: float
    naive_kept: float
    coverage: float
    naive_coverage: float
    oracle_coverage: float
    error: float
    worst_error: float
    calibration_error: float
    raw_calibration_error: float
    outside_a_draw: float | None
    outside_kept: float | None
    outside_accepted: float | None
    outside_among_labelled: float | None


def resample(answers: Answers, draws: int, records: int, promise: Promise = PROMISE, seed: int = 1) -> Resampled:
    """Calibrate `draws` times, each time on so many records."""
    rng = random.Random(seed)
    population = Population(answers.examples)
    eligible = len(answers.examples) / answers.records
    outside = [one.score for one in answers.examples[len(answers.examples) - answers.outside :]]
    beyond = answers.outside + answers.silent
    seen, reliable, drawn_outside = [], [], []
    for _ in range(draws):
        places = rng.choices(range(answers.records), k=records)
        drawn = drawn_evidence(answers, places)
        groups, unknowns = thresholds(drawn, promise)
        least = groups[REST].least
        examples = drawn.examples[REST]
        seen.append(_Draw(population, outside, NOTHING if least is None else least, naive(examples, promise.error)))
        reliable.append(_calibration_error(answers.examples, set(places), examples))
        drawn_outside.append(unknowns.examples)
    base = sum(not one.right for one in answers.examples) / len(answers.examples)
    among = [one.outside / (one.coverage * len(answers.examples)) for one in seen if one.coverage]
    promised = promise.unknown if beyond else None
    return Resampled(
        draws=draws,
        examples_a_draw=round(records * eligible),
        base_error=base,
        least_escalated=1 - eligible + eligible * least_escalated(base, promise.error),
        kept=fmean(one.error <= promise.error for one in seen),
        naive_kept=fmean(one.naive_error <= promise.error for one in seen),
        coverage=fmean(one.coverage for one in seen) * eligible,
        naive_coverage=fmean(one.naive_coverage for one in seen) * eligible,
        oracle_coverage=population.oracle(promise.error) * eligible,
        error=fmean(one.error for one in seen),
        worst_error=max(one.error for one in seen),
        calibration_error=fmean(reliable),
        raw_calibration_error=calibration_error(answers.examples) or 0.0,
        outside_a_draw=fmean(drawn_outside) if beyond else None,
        outside_kept=None if promised is None else fmean(one.outside <= promised * beyond for one in seen),
        outside_accepted=fmean(one.outside for one in seen) / beyond if beyond else None,
        outside_among_labelled=fmean(among) if beyond and among else None,
    )


def drawn_evidence(answers: Answers, places: Sequence[int]) -> Evidence:
    """Return what the records at these places show: first the examples, then what is out of scope and has no score, then others."""
    count = len(answers.examples)
    drawn = [answers.examples[place] for place in places if place < count]
    outside = [answers.examples[place].score for place in places if count - answers.outside <= place < count]
    silent = sum(count <= place < count + answers.silent for place in places)
    return Evidence({REST: drawn}, {REST: []}, {REST: outside}, len(outside) + silent, {}, len(places), len(places))


class _Draw:
    """What the thresholds of one draw are worth on all answers."""

    def __init__(self, population: Population, outside: Sequence[float], least: float, careless: float) -> None:
        self.error, self.coverage = population.truth(least)
        self.naive_error, self.naive_coverage = population.truth(careless)
        self.outside = sum(score >= least for score in outside)


def _calibration_error(examples: Sequence[Example], drawn_places: Collection[int], drawn: Sequence[Example]) -> float:
    curve = fit(drawn)
    assert curve is not None
    fresh = [Example(curve.of(one.score), one.right) for place, one in enumerate(examples) if place not in drawn_places]
    return calibration_error(fresh) or 0.0
