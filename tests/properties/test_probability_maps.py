"""Probability maps: they keep the order of scores, claim no certainty, and mean what they say on answers they never saw."""

import random
from math import exp

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from schemas.calibration import IsotonicMap, PlattMap, ProbabilityMap
from workers.promising.maps import ISOTONIC_FROM, Fitting, fit, fit_isotonic, fit_platt, fit_venn_abers
from workers.promising.reliability import brier, calibration_error
from workers.promising.threshold import Example

SCORES = st.floats(0, 1).map(lambda score: round(score, 6))
EXAMPLES = st.lists(st.builds(Example, SCORES, st.booleans()), min_size=1, max_size=200)


def overconfident(rng: random.Random, count: int) -> list[Example]:
    """Answers that are right with the probability p and say p to the third power of its odds."""
    found = []
    for _ in range(count):
        odds = rng.gauss(1.2, 1.0)
        found.append(Example(round(1 / (1 + exp(-3 * odds)), 6), rng.random() < 1 / (1 + exp(-odds))))
    return found


@given(EXAMPLES, st.lists(SCORES, min_size=2, max_size=20))
@example([Example(0.875, right=False), Example(0.90625, right=True)], [0.0, 1.0])
def test_a_map_keeps_the_order_and_claims_no_certainty(examples, scores):
    """A higher score never has a lower probability, and none is 0 or 1."""
    for fitted in (fit_platt(examples), fit_isotonic(examples), fit_venn_abers(examples)):
        mapped = [fitted.of(score) for score in sorted(scores)]
        assert mapped == pytest.approx(sorted(mapped), abs=1e-12)
        assert all(0 < probability < 1 for probability in mapped)


@given(EXAMPLES)
def test_a_map_survives_its_file(examples):
    """Written as JSON and read again it says the same."""
    adapter = TypeAdapter(ProbabilityMap)
    for fitted in (fit_platt(examples), fit_isotonic(examples), fit_venn_abers(examples)):
        assert adapter.validate_json(fitted.model_dump_json()) == fitted


@pytest.mark.parametrize("count", [ISOTONIC_FROM - 1, 4 * ISOTONIC_FROM])
def test_mapped_probabilities_mean_what_they_say(count):
    """On fresh answers: an expected calibration error of at most 0.03, where the raw scores miss by far more."""
    rng = random.Random(count)
    fitted, fresh = fit(overconfident(rng, count)), overconfident(rng, 20_000)
    assert isinstance(fitted, PlattMap if count < ISOTONIC_FROM else IsotonicMap)
    mapped = [Example(fitted.of(one.score), one.right) for one in fresh]
    assert calibration_error(fresh) > 0.1
    assert calibration_error(mapped) <= 0.03
    assert brier(mapped) < brier(fresh)


def test_scores_that_run_the_wrong_way_become_one_probability():
    """A map never turns the order around: it says the mean instead."""
    upside_down = [Example(place / 100, right=place < 70) for place in range(100)]
    for fitted in (fit_platt(upside_down), fit_isotonic(upside_down)):
        assert fitted.of(0.1) == pytest.approx(0.7, abs=0.02)
        assert fitted.of(0.9) == pytest.approx(0.7, abs=0.02)


def test_nothing_fits_nothing():
    """No example, no map; and no error of nothing."""
    assert fit([]) is None
    assert calibration_error([]) is None
    assert brier([]) is None


def test_a_curve_that_falls_is_refused():
    """A file that was changed by hand cannot turn the order around."""
    with pytest.raises(ValidationError):
        IsotonicMap(scores=(0.1, 0.2), probabilities=(0.9, 0.8))
    with pytest.raises(ValidationError):
        IsotonicMap(scores=(0.1,), probabilities=(0.9, 0.95))
    with pytest.raises(ValidationError):
        PlattMap(slope=-1, intercept=0)


@pytest.mark.parametrize("seed", range(5))
def test_venn_abers_is_what_it_is_defined_to_be(seed):
    """Beside scikit-learn's isotonic regression, with each score's example added as wrong and as right (arXiv:1511.00213)."""
    isotonic = pytest.importorskip("sklearn.isotonic")
    rng = random.Random(seed)
    examples = [Example(rng.randrange(1, 60) / 60, rng.random() < 0.6) for _ in range(150)]
    fitted = fit_venn_abers(examples)
    assert len(fitted.scores) == len({one.score for one in examples})
    for score, probability in zip(fitted.scores, fitted.probabilities, strict=True):
        found = []
        for added in (0, 1):
            scores, rights = [*(one.score for one in examples), score], [*(int(one.right) for one in examples), added]
            found.append(isotonic.IsotonicRegression().fit(scores, rights).predict([score])[0])
        assert probability == pytest.approx(found[1] / (1 - found[0] + found[1]))


@pytest.mark.parametrize("fitting", Fitting)
def test_every_way_of_fitting_means_what_it_says(fitting):
    """On fresh answers, from a thousand examples."""
    rng = random.Random(3)
    fitted, fresh = fit(overconfident(rng, 1_000), fitting), overconfident(rng, 20_000)
    assert calibration_error([Example(fitted.of(one.score), one.right) for one in fresh]) <= 0.04
