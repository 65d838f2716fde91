"""Gold files and samples: what is read, and the sentence for what is not."""

import pytest

from schemas.task import Source, Task
from workers.evaluating.gold import load_gold
from workers.evaluating.inputs import load_inputs
from workers.evaluating.outcome import origin_of, read_event
from workers.exits import UserError
from workers.taskfiles import load_task, shipped_tasks

TASK = Task.model_validate(
    {
        "name": "t",
        "source": {"topic": "in", "text": "body", "id": "id", "key": "who"},
        "instructions": "Label.",
        "fields": {
            "intent": {"kind": "label", "labels": {"a": "one", "b": "two"}},
            "mood": {"kind": "sentiment"},
            "summary": {"kind": "text"},
        },
        "routes": {"labelled": "l", "escalated": "e", "dead": "d"},
    }
)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", "is not JSON"),
        ("[]", 'a gold label is {"id"'),
        ('{"id": "1"}', 'a gold label is {"id"'),
        ('{"id": "1", "fields": {"intnt": "a"}}', "has no field intnt; use one of: intent"),
        ('{"id": "1", "fields": {"intent": "z"}}', "field intent has no label 'z'"),
        ('{"id": "1", "fields": {"mood": "angry"}}', "field mood has no label 'angry'"),
        ('{"id": "1", "fields": {"summary": "x"}}', "summary is free text"),
        ('{"id": "0", "fields": {"intent": "a"}}', "the id 0 stands in an earlier line"),
    ],
)
def test_a_wrong_gold_line_is_one_sentence_with_its_line(tmp_path, line, words):
    """The user is told file, line and what to do."""
    path = tmp_path / "gold.jsonl"
    path.write_text('{"id": 0, "fields": {"intent": "unknown"}}\n\n' + line + "\n")
    with pytest.raises(UserError) as refused:
        load_gold(path, TASK)
    assert words in str(refused.value)
    assert f"{path}:3" in str(refused.value)


@pytest.mark.parametrize("content", [None, ""])
def test_no_gold_is_refused(tmp_path, content):
    """A missing or an empty file measures nothing."""
    path = tmp_path / "gold.jsonl"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UserError):
        load_gold(path, TASK)
    with pytest.raises(UserError):
        load_inputs(path, TASK.source)


@pytest.mark.parametrize("name", shipped_tasks())
def test_every_shipped_sample_has_its_gold(name):
    """Each of the 1,500 records has an id, and gold labels of that id."""
    loaded = load_task(name)
    gold = load_gold(loaded.gold_path, loaded.task)
    inputs = load_inputs(loaded.sample_path, loaded.task.source)
    assert {each.message_id for each in inputs} == set(gold)
    assert all(each.key for each in inputs)


def test_inputs_without_an_id_have_none(tmp_path):
    """A record that is no message, or brings no id, is sent all the same and can match no gold label."""
    path = tmp_path / "sample.jsonl"
    path.write_bytes(b'{"body": "x", "id": 7, "who": "k"}\n{"body": "x"}\n{"id": 7}\n\xff\n')
    inputs = load_inputs(path, TASK.source)
    assert [each.message_id for each in inputs] == ["7", None, None, None]
    assert [each.key for each in inputs] == [b"k", None, None, None]
    assert len(load_inputs(path, TASK.source, 2)) == 2
    assert [each.message_id for each in load_inputs(path, Source(topic="in", format="text"), 1)] == [None]


def test_what_is_no_event_is_none():
    """Another producer's record on an output topic is not taken for an event."""
    assert read_event((), b"{}") is None
    assert origin_of((("nt_topic", b"t"), ("nt_partition", b"x"), ("nt_offset", b"1"))) is None
