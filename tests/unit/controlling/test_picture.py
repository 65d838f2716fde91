"""The operator's picture, and what is printed of it."""

import pytest

from schemas.control import ControlAck, FleetControl, NotRun, Run, TaskControl
from topics.record import Partition, Record
from workers.commands.control import Change, _key, _refuse_useless
from workers.commands.control_report import answers, answers_json, picture_json, picture_rows, sentence
from workers.controlling.picture import GONE_MS, Picture
from workers.controlling.topics import ControlTopics
from workers.exits import UserError

TOPICS = ControlTopics.of("ctl")
CONTROL = TaskControl(version=3, by="anna", because="so", task="refunds", paused=True)


def record(topic, key, value, at_ms):
    body = value if value is None or isinstance(value, bytes) else value.model_dump_json().encode()
    return Record(Partition(topic, 0), 0, key.encode(), body, (), at_ms)


def ack(worker, version, refused=None, paused=False):
    return ControlAck(
        worker=worker, runs={"refunds": Run(version=version, paused=paused, refused=refused), "*": Run(version=0)}
    )


@pytest.fixture
def picture():
    made = Picture(TOPICS)
    made.take(record(TOPICS.wanted, "refunds", CONTROL, 10_000))
    return made


def say(picture, at_ms, *acks):
    for one in acks:
        picture.take(record(TOPICS.acks, one.worker, one, at_ms))


def test_who_runs_it_who_refuses_and_who_is_silent_is_told_apart(picture):
    """Times are those between the records; a later version is as good."""
    say(picture, 10_400, ack("a", 3), ack("d", 4))
    say(picture, 10_900, ack("b", 2, NotRun(version=3, why="too large")), ack("c", 2))
    say(picture, 11_900, ack("a", 3))
    came = picture.progress(CONTROL, 2_000)
    assert (dict(came.running), dict(came.refused), came.silent) == ({"a": 400, "d": 400}, {"b": "too large"}, ("c",))
    assert sentence(CONTROL, came) == "version 3 of refunds: 2 of 4 workers run it, the last after 0.4 s"
    assert [row[0] for row in answers(came)] == ["a", "b", "c", "d"]
    assert [one["answer"] for one in answers_json(CONTROL, came)["workers"]] == ["runs", "runs", "refuses", "silent"]


def test_who_gave_no_sign_of_life_or_took_its_word_back_is_gone(picture):
    """It is not waited for."""
    say(picture, 10_000, ack("killed", 2), ack("stopped", 2))
    picture.take(record(TOPICS.acks, "stopped", None, 10_100))
    assert picture.progress(CONTROL, 1_000).silent == ("killed",)
    came = picture.progress(CONTROL, int(GONE_MS))
    assert came.silent == ()
    assert "no worker is there" in sentence(CONTROL, came)


def test_a_change_that_cannot_be_read_back_is_no_success():
    """Nobody knows who runs it."""
    came = Picture(TOPICS).progress(CONTROL, 0)
    assert came is None
    assert "could not be read back" in sentence(CONTROL, came)
    assert answers_json(CONTROL, came)["workers"] is None


def test_the_next_version_is_above_all_that_were_ever_wanted_or_run(picture):
    """Whatever compaction or a withdrawal has left."""
    assert picture.next_version("refunds") == 4
    picture.take(record(TOPICS.wanted, "refunds", None, 11_000))
    picture.take(record(TOPICS.changes, "refunds", CONTROL.model_copy(update={"version": 7}), 11_000))
    assert picture.next_version("refunds") == 8
    say(picture, 12_000, ack("a", 9))
    assert picture.next_version("refunds") == 10
    assert picture.next_version("*") == 1


def test_what_is_shown_says_who_runs_another_version(picture):
    """Every key, whether somebody runs it or not; nothing a terminal would obey."""
    say(picture, 10_400, ack("a", 3, paused=True), ack("b\x1b[2J", 2))
    rows = picture_rows(picture, 11_000)
    assert rows[0] == ("*", "a", "0", "0", "runs")
    assert ("refunds", "a", "3", "3", "paused (anna: so)") in rows
    assert "\x1b" not in str(rows)
    assert picture.apart(11_000) == [("b\x1b[2J", "refunds")]
    shown = picture_json(picture, 11_000)
    assert (shown["agreed"], shown["wanted"]["refunds"]["paused"], len(shown["workers"])) == (False, True, 2)
    picture.take(record(TOPICS.wanted, "cards", b"rubbish", 11_000))
    assert picture_rows(picture, 11_000)[2][:4] == ("cards", "no worker", "", "unreadable")


def test_a_change_for_a_task_that_nobody_has_is_refused(picture):
    """With the names there are; while no worker is there at all, nobody can tell."""
    change = Change("refuns", {"paused": True}, "anna", "so")
    _refuse_useless(picture, change, 10_000)
    say(picture, 10_000, ack("a", 3))
    with pytest.raises(UserError, match="no worker has a task refuns: they have refunds"):
        _refuse_useless(picture, change, 10_000)


def test_a_task_is_not_resumed_while_every_task_is_paused(picture):
    """It would go on being paused, and the command would have said otherwise."""
    picture.take(record(TOPICS.wanted, "*", FleetControl(version=1, by="bob", because="fire", paused=True), 10_000))
    with pytest.raises(UserError, match=r"every task is paused \(bob: fire\)"):
        _refuse_useless(picture, Change("refunds", {"paused": False}, "anna", "so"), 10_000)
    _refuse_useless(picture, Change("*", {"paused": False}, "anna", "so"), 10_000)


def test_a_change_keeps_what_it_does_not_speak_of():
    """A control is whole: author, reason and version are new, the rest as it was."""
    after = Change("refunds", {}, "bob", "other").altered(CONTROL, 4)
    assert (after.version, after.by, after.because, after.paused) == (4, "bob", "other", True)


@pytest.mark.parametrize(("task", "every"), [(None, False), ("refunds", True)])
def test_a_change_names_one_task_or_all(task, every):
    """Not both, and not neither."""
    with pytest.raises(UserError, match="--all"):
        _key(task, every=every)
