"""The board: which control is run, and which is not, whatever arrives."""

import pytest

from schemas.control import EVERY_TASK, FleetControl, TaskControl
from workers.controlling.board import Board


def control(version=1, **parts):
    return TaskControl(version=version, by="anna", because="so", task="refunds", **parts)


def every(version=1, **parts):
    return FleetControl(version=version, by="bob", because="incident", **parts)


def told(board, one, key=None):
    return board.take((key or one.task).encode(), one.model_dump_json().encode())


def board_of(*controls):
    board = Board(["refunds", "cards"])
    for one in controls:
        assert told(board, one)
    return board


def test_nothing_is_wanted_until_it_is_said():
    """Without a record every task runs as the settings have it, at version 0."""
    board = Board(["refunds"])
    assert board.paused("refunds") is None
    assert {run.version for run in board.runs().values()} == {0}


def test_a_task_is_paused_by_its_own_control_or_by_that_of_every_task():
    """And goes on when neither says so."""
    board = board_of(control(1, paused=True))
    assert board.paused("refunds") == "paused by anna: so"
    assert board.paused("cards") is None
    told(board, every(1, paused=True))
    told(board, control(2))
    assert board.paused("refunds") == board.paused("cards") == "every task is paused by bob: incident"
    told(board, every(2))
    assert board.paused("refunds") is None


@pytest.mark.parametrize(
    ("key", "value", "why"),
    [
        (b"refunds", b"\xff{", "JSON"),
        (b"refunds", b"{}", "event"),
        (b"refunds", control(2).model_dump_json().encode().replace(b"{", b'{"model_url":"http://elsewhere",', 1), "model_url"),
        (b"refunds", every(2).model_dump_json().encode(), "its key is not"),
        (b"refunds", control(1).model_dump_json().encode(), "does not follow"),
        (b"refunds", control(0x7FFF).model_dump_json().encode().replace(b"32767", b"0"), "version"),
    ],
)
def test_what_cannot_be_run_leaves_the_last_good_control_as_it_is(key, value, why):
    """It is refused with a sentence, and the pause stays."""
    board = board_of(control(1, paused=True))
    assert board.take(key, value)
    run = board.runs()["refunds"]
    assert (run.version, run.paused) == (1, True)
    assert why in run.refused.why
    assert not board.take(key, value)  # the same again is no news


def test_a_good_control_ends_a_refusal():
    """Nothing is left of what was refused before."""
    board = board_of(control(1))
    board.take(b"refunds", b"rubbish")
    told(board, control(2, paused=True))
    assert board.runs()["refunds"].refused is None
    assert board.paused("refunds") is not None


def test_a_start_that_cannot_read_what_is_wanted_reads_nothing_of_the_task():
    """It may have been the order to pause; a control of every task holds all of them."""
    board = Board(["refunds", "cards"])
    board.take(b"refunds", b"rubbish")
    assert "held" in board.paused("refunds")
    assert board.paused("cards") is None
    board.take(EVERY_TASK.encode(), b"rubbish")
    assert "held" in board.paused("cards")


def test_a_start_that_cannot_do_what_is_wanted_keeps_its_pause_all_the_same():
    """The settings hold otherwise."""
    board = Board(["refunds"], lambda _wanted: "too large")
    told(board, control(1))
    assert board.paused("refunds") is None
    told(board, control(2, paused=True))
    assert "held" in board.paused("refunds")
    told(board, control(3))
    assert board.paused("refunds") is None


def test_the_same_record_again_changes_nothing():
    """Read twice it is run once."""
    board = board_of(control(3))
    assert not told(board, control(3))
    assert board.runs()["refunds"].refused is None


def test_a_withdrawn_control_leaves_the_settings():
    """As after a start that finds none; versions begin anew."""
    board = board_of(control(3, paused=True))
    assert board.take(b"refunds", None)
    assert board.paused("refunds") is None
    assert told(board, control(1, paused=True))


def test_another_workers_task_is_no_news():
    """Nor is a record without a key."""
    board = Board(["cards"])
    assert not told(board, control(1))
    assert not board.take(None, b"x")


def test_a_control_that_this_worker_cannot_do_is_refused_with_its_reason():
    """Whatever else it says."""
    board = Board(["refunds"], lambda wanted: "it is Sunday" if wanted.version == 2 else None)
    told(board, control(1))
    told(board, control(2, paused=True))
    run = board.runs()["refunds"]
    assert (run.version, run.paused, run.refused.why) == (1, False, "it is Sunday")


@pytest.mark.parametrize("text", ["", "two\nlines", "bell\x07"])
def test_who_and_why_are_said_on_one_line(text):
    """They stand in logs, at /ready and on terminals."""
    with pytest.raises(ValueError, match="because"):
        TaskControl(version=1, by="anna", because=text, task="refunds")
