"""The promise on real answers, at small size: the shipped samples, asked of the local model, calibrated 200 times."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from schemas.promise import Promise
from tests.public_data import require_public_data
from tests.quality.answers import answers_to
from tests.quality.datasets import SETS, promised_task
from tests.quality.operation import watch
from tests.quality.resampling import resample
from workers.taskfiles import load_task

RECORDS = 600
DRAWS = 200


def small(name: str, folder: Path) -> Path:
    """Write the shipped task with a promise, and the first so many records of its sample."""
    folder.mkdir()
    loaded = load_task(name)
    promised_task(name, folder)
    for path in (loaded.sample_path, loaded.gold_path):
        (folder / path.name).write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:RECORDS]))
    shutil.copy(loaded.examples_path, folder)
    return folder


@pytest.mark.local_model
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", ["banking_support", "support_tickets", "card_transactions"])
def test_the_promise_is_kept_on_a_shipped_sample(name: str, model_data: Path, tmp_path: Path) -> None:
    """In at least 90 of 100 draws the true error is no more than promised; the naive threshold, the control, breaks it.

    In operation a promise that is kept raises hardly an alarm, and a model that has gone bad nearly always does.
    """
    answers = answers_to(small(name, tmp_path / name), model_data)
    found = resample(answers, DRAWS, 500)
    assert found.kept >= 0.9
    assert found.coverage <= found.oracle_coverage + 0.02
    if found.base_error > 0.05:  # where nearly all is right, every threshold keeps the promise
        assert found.naive_kept < 0.8
    if found.oracle_coverage > 0.5:  # of the card lines hardly any can be labelled at this promise, and none is
        assert found.coverage > 0.25 * found.oracle_coverage
        assert found.calibration_error <= 0.06
        watched = watch(answers, 20, 300)
        assert watched.labelling >= 10
        assert watched.false_alarms <= 0.1, "the stated risk is 2 %: one of twenty is bad luck, three are not"
        assert watched.found >= 0.9


@pytest.mark.local_model
@pytest.mark.timeout(300)
def test_no_more_messages_out_of_scope_are_labelled_than_promised(model_data: Path, tmp_path: Path) -> None:
    """Of clinc150's, in at least 90 of 100 draws, with the error kept beside it; without that promise far more are."""
    folder = replace(SETS["clinc150"], size=900).build(require_public_data(), tmp_path)
    answers = answers_to(folder, model_data)
    found = resample(answers, DRAWS, 700, Promise(error=0.05, unknown=0.05))
    assert found.outside_kept is not None
    assert found.outside_kept >= 0.9
    assert found.kept >= 0.9
    assert found.coverage > 0.2
    control = resample(answers, 20, 700, Promise(error=0.2))
    assert control.outside_accepted is not None
    assert control.outside_accepted > 0.05
