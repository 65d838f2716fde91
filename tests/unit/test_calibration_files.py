"""Calibration files: one that is missing, damaged or of something else is refused with one sentence that says what to do."""

from dataclasses import replace

import pytest

from schemas.promise import Promise
from schemas.verdict import SignalKind
from tests.calibrations import bound_to, calibration_of
from workers.calibrationfiles import calibration_path, calibrations_of, read_calibration, refuse_other, write_calibration
from workers.exits import UserError
from workers.promising.binding import Hashes, bound_of, difference
from workers.setting_model import ModelSettings
from workers.taskfiles import load_task
from workers.wiring.lines import asked_model

SHIPPED = load_task("banking_support")
LOADED = replace(SHIPPED, task=SHIPPED.task.model_copy(update={"promise": Promise(error=0.05), "thresholds": None}))
TASK = LOADED.task


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"task": "other"}, "is of task other, not banking_support"),
        ({"model": "mini"}, "is of model mini, and the model is nano"),
        ({"signal": SignalKind.BAND}, "is of the signal band, and the model gives logprobs"),
        ({"promise": Promise(error=0.02)}, "is of the promise error 0.02, confidence 0.9, and the task states error 0.05"),
        ({"prompt": "q"}, "is of prompt q, and the task's instructions and fields now make p"),
        ({"reply_schema": "t"}, "is of reply schema t, and the task's fields now make s"),
        ({"rules": "r"}, "is of other fields or checks than the task now has"),
        ({"code": "c"}, "is of check functions or a reply model whose code was changed since"),
        ({"batch_items": 8}, "is of at most 8 messages in a call, and batching.max_items is 16"),
    ],
)
def test_a_calibration_of_something_else_is_refused(changes, said):
    """The sentence names what differs, and the way out."""
    made = calibration_of(TASK, **changes)
    with pytest.raises(UserError) as refused:
        refuse_other(made, bound_to(TASK), LOADED)
    assert said in str(refused.value)
    assert f"calibrate with `nanotriage calibrate --task {SHIPPED.path}`" in str(refused.value)


def test_smaller_batches_than_calibrated_are_taken():
    """At low load every worker makes them; and what is the same is the same."""
    refuse_other(calibration_of(TASK, batch_items=32), bound_to(TASK), LOADED)
    assert difference(bound_to(TASK), bound_of(TASK, SignalKind.LOGPROBS, "nano", Hashes("p", "s"), 16)) is None


def test_what_is_calibrated_is_named_as_the_worker_names_it():
    """A decision route may be asked of another model than chat: then both are named, wherever both are asked or only one."""
    alone, beside = ModelSettings(name="nano"), ModelSettings(name="nano", decisions_name="tiny")
    assert {asked_model(alone, kind) for kind in SignalKind} == {"nano"}
    assert [asked_model(beside, kind) for kind in (SignalKind.LOGPROBS, SignalKind.DISTRIBUTION)] == ["nano", "nano + tiny"]


def test_a_file_is_found_where_it_was_written(tmp_path):
    """In the folder of the settings; by default beside the task file. Written and read it is the same, under the same name."""
    made = calibration_of(TASK)
    path = calibration_path(LOADED, tmp_path)
    write_calibration(made, path)
    assert calibrations_of([LOADED, SHIPPED], tmp_path) == {"banking_support": made}
    assert read_calibration(LOADED, tmp_path).identity == made.identity
    assert calibration_path(LOADED, None) == SHIPPED.path.with_name("banking_support.calibration.json")
    assert [each.name for each in tmp_path.iterdir()] == ["banking_support.calibration.json"]


def test_a_missing_or_damaged_file_is_one_sentence(tmp_path):
    """Said with its path and the command that makes one."""
    with pytest.raises(
        UserError, match=r"there is no calibration .*: calibrate with `nanotriage calibrate --task .*task.yaml`"
    ):
        calibrations_of([LOADED], tmp_path)
    calibration_path(LOADED, tmp_path).write_text('{"calibration": "nanotriage.calibration.v2"}')
    with pytest.raises(UserError, match="is no calibration of this version: calibrate with"):
        read_calibration(LOADED, tmp_path)
    calibration_path(LOADED, tmp_path).unlink()
    calibration_path(LOADED, tmp_path).mkdir()
    with pytest.raises(UserError, match="cannot be read"):
        read_calibration(LOADED, tmp_path)
    with pytest.raises(UserError, match="cannot be written"):
        write_calibration(calibration_of(TASK), tmp_path / "none" / "x.json")
