"""Another library's controller of the same kind finds the same threshold on the same data."""

import random
import warnings
from math import ceil, exp

import pytest

from workers.promising.threshold import Example, Kept, keep, sequence_of, start_of

np = pytest.importorskip("numpy")
risk_control = pytest.importorskip("mapie.risk_control", reason="MAPIE is not installed: make .venv/.ready")

ERROR, CONFIDENCE = 0.05, 0.9


# Its "precision" is turned into an error by a subtraction, which may round one error more into the tail.
WRONG = risk_control.BinaryRisk(
    risk_occurrence=lambda right, accepted: right != accepted,
    risk_condition=lambda _right, accepted: accepted == 1,
    higher_is_better=False,
)


def drawn(seed: int, count: int) -> list[Example]:
    rng = random.Random(seed)
    found = []
    for _ in range(count):
        right = rng.random() > 0.15
        found.append(Example(round(1 / (1 + exp(-2 * rng.gauss(1.8 if right else 0.2, 1))), 6), right))
    return found


def theirs(examples: list[Example], sequence: list[float]) -> list[float]:
    """Return the thresholds that MAPIE's fixed-sequence test finds to keep the precision."""
    controller = risk_control.BinaryClassificationController(
        predict_function=lambda scores: np.column_stack([1 - scores, scores]),
        risk=WRONG,
        target_level=ERROR,
        confidence_level=CONFIDENCE,
        best_predict_param_choice="precision",
        list_predict_params=np.array(sequence),
        fwer_method="fixed_sequence",
    )
    scores, right = np.array([one.score for one in examples]), np.array([int(one.right) for one in examples])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns where no threshold is found
        controller.calibrate(scores, right)
    return [float(each) for each in controller.valid_predict_params]


def rounds_up(examples: list[Example], least: float) -> bool:
    """Return whether MAPIE counts one error too many here: it multiplies the mean by the count and rounds up."""
    accepted = [one for one in examples if one.score >= least]
    wrong = sum(not one.right for one in accepted)
    return ceil(len(accepted) * (wrong / len(accepted))) > wrong


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("count", [800, 3_000])
def test_mapie_finds_the_same_threshold(seed: int, count: int) -> None:
    """Given our sequence of thresholds to try, its laxest valid one is ours, or the one before it rounded an error up."""
    examples = drawn(seed, count)
    falling = sorted((one.score for one in examples), reverse=True)
    sequence = sequence_of(falling, [], start_of(count, ERROR, 1 - CONFIDENCE))
    ours, valid = keep(examples, [], ERROR, 1 - CONFIDENCE), theirs(examples, sequence)
    expected = sequence[: sequence.index(ours.least) + 1] if isinstance(ours, Kept) else []
    assert valid == expected[: len(valid)]
    assert len(valid) == len(expected) or rounds_up(examples, expected[len(valid)])
