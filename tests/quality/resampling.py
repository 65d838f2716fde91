"""Calibrating again and again: how often the promise is kept, and at which coverage. Pure apart from its seeded chance.

The answers are the whole population, and each draw is a set of labelled examples from it with replacement, so the true error
above a threshold is counted over all answers. Probabilities are judged on answers that are not in the draw.
"""

import random
from dataclasses import dataclass
from statistics import fmean

from tests.promises import Population, naive
from tests.quality.answers import Answers
from workers.promising.maps import fit
from workers.promising.reliability import calibration_error
from workers.promising.threshold import Example, Kept, keep, least_escalated


@dataclass(frozen=True, slots=True)
class Resampled:
    """Shares of the draws, of the examples, and of all records; `outside` is of the out-of-scope records, None without any."""

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
    outside_accepted: float | None
    outside_among_labelled: float | None


@dataclass(frozen=True, slots=True)
class Promised:
    """What is promised."""

    error: float = 0.05
    confidence: float = 0.9


def resample(answers: Answers, draws: int, records: int, promised: Promised = Promised(), seed: int = 1) -> Resampled:
    """Calibrate `draws` times, each time on what is an example among so many records."""
    rng = random.Random(seed)
    population = Population(answers.examples)
    eligible = len(population.rows) / answers.records
    count = round(records * eligible)
    outside = sorted(answers.outside)
    errors, coverages, naive_errors, naive_coverages, reliable, accepted_outside = [], [], [], [], [], []
    for _ in range(draws):
        places = rng.choices(range(len(population.rows)), k=count)
        drawn = [population.rows[place] for place in places]
        found = keep(drawn, [], promised.error, 1 - promised.confidence)
        least = found.least if isinstance(found, Kept) else 2.0
        error, coverage = population.truth(least)
        errors.append(error)
        coverages.append(coverage * eligible)
        error, coverage = population.truth(naive(drawn, promised.error))
        naive_errors.append(error)
        naive_coverages.append(coverage * eligible)
        accepted_outside.append(sum(score >= least for score in outside))
        reliable.append(_calibration_error(population, set(places), drawn))
    base = sum(not one.right for one in population.rows) / len(population.rows)
    among = [hits / (share * answers.records) for hits, share in zip(accepted_outside, coverages, strict=True) if share]
    return Resampled(
        draws=draws,
        examples_a_draw=count,
        base_error=base,
        least_escalated=1 - eligible + eligible * least_escalated(base, promised.error),
        kept=fmean(error <= promised.error for error in errors),
        naive_kept=fmean(error <= promised.error for error in naive_errors),
        coverage=fmean(coverages),
        naive_coverage=fmean(naive_coverages),
        oracle_coverage=population.oracle(promised.error) * eligible,
        error=fmean(errors),
        worst_error=max(errors),
        calibration_error=fmean(reliable),
        raw_calibration_error=calibration_error(population.rows) or 0.0,
        outside_accepted=fmean(accepted_outside) / answers.all_outside if answers.all_outside else None,
        outside_among_labelled=fmean(among) if answers.all_outside and among else None,
    )


def _calibration_error(population: Population, drawn_places: set[int], drawn: list[Example]) -> float:
    curve = fit(drawn)
    assert curve is not None
    fresh = [Example(curve.of(one.score), one.right) for place, one in enumerate(population.rows) if place not in drawn_places]
    return calibration_error(fresh) or 0.0
