"""Bad input and bad set-ups with the real command line: each bad record ends as one dead letter, each mistake as one sentence."""

import hashlib

import orjson
import pytest

from tests.broker.stage import Sent, set_stage
from tests.broker.workers_under_test import Worker, environment, run_to_end, worker_settings
from tests.fakes.model_process import FakeModel
from workers.exits import Exit

LARGE = b'{"id": "large", "text": "' + b"x" * 5_000_000 + b'"}'
BOMB = tuple((f"header-{i}", b"x" * 10_000) for i in range(300))
BAD = {
    "latin_1": (Sent('{"id": "x", "text": "caf\xe9"}'.encode("latin-1"), b"k"), b"undecodable"),
    "utf_16": (Sent('{"id": "x", "text": "cancel"}'.encode("utf-16"), b"k"), b"undecodable"),
    "byte_order_mark": (Sent(b'\xef\xbb\xbf{"id": "x", "text": "cancel"}', b"k"), b"undecodable"),
    "lone_surrogate": (Sent(b'{"id": "x", "text": "\\ud800"}', b"k"), b"undecodable"),
    "raw_nul": (Sent(b'{"id": "x", "text": "a\x00b"}', b"k"), b"undecodable"),
    "number_without_end": (Sent(b'{"id": 1e400, "text": "cancel"}', b"k"), b"undecodable"),
    "undecodable": (Sent(b"\xff\xfe{", b"k"), b"undecodable"),
    "not_json": (Sent(b"{", b"k"), b"undecodable"),
    "deep_json": (Sent(b'{"text":' + b"[" * 5_000 + b"]" * 5_000 + b"}", b"k"), b"undecodable"),
    "wrong_types": (Sent(b'{"id": [], "text": 7}', b"k"), b"no_text"),
    "a_list": (Sent(b"[1, 2]", b"k"), b"no_text"),
    "missing_text": (Sent(b'{"id": "x"}', b"k"), b"no_text"),
    "blank_text": (Sent(b'{"id": "x", "text": " \\n"}', b"k"), b"no_text"),
    "empty": (Sent(b"", b"k"), b"empty"),
    "tombstone": (Sent(None, b"k"), b"empty"),
    "nothing_at_all": (Sent(None, None), b"empty"),
    "five_megabytes": (Sent(LARGE, b"k"), b"too_large"),
    "ten_thousand_headers": (Sent(b"\xff", b"k", tuple((f"h{i}", b"\xff\x00") for i in range(10_000))), b"undecodable"),
    "header_bomb": (Sent(b"\xff", b"k", BOMB), b"undecodable"),
    "header_bomb_on_a_large_one": (Sent(LARGE[:3_000_000], b"k", BOMB[:200]), b"too_large"),
    "key_bomb": (Sent(b'{"id": "x", "text": "please cancel"}', b"k" * 2_000_000), b"event_too_large"),
}


def neighbour(number):
    return Sent(orjson.dumps({"id": f"good-{number}", "text": f"please cancel order {number:04}"}), b"k")


async def test_each_bad_record_is_one_dead_letter_and_its_neighbours_are_labelled(bootstrap, tmp_path):
    """Whatever the bytes, headers and size: one dead letter with its reason, the original or its hash; nobody else is harmed."""
    stage = await set_stage(bootstrap, tmp_path, 1, **{"max.message.bytes": str(6 * 1024 * 1024)})
    records = [neighbour(0)]
    for number, (record, _) in enumerate(BAD.values()):
        records += [record, neighbour(number + 1)]
    await stage.send(records)
    with FakeModel() as model:
        worker = Worker(stage, worker_settings(stage, model.base_url))
        try:
            await stage.until_progress(len(records), 60)
            assert worker.stop() == Exit.OK, worker.tail()
        finally:
            worker.end()
    verdict = await stage.judge()
    labelled, escalated, dead = [await stage.read(topic) for topic in stage.outputs]
    assert verdict.kept, str(verdict)
    assert (len(labelled), len(escalated), len(dead)) == (len(BAD) + 1, 0, len(BAD))
    letters = {int(dict(letter.headers)["nt_offset"]): letter for letter in dead}
    for offset, (name, (record, reason)) in enumerate(BAD.items()):
        letter = letters[2 * offset + 1]
        headers = dict(letter.headers)
        assert headers["nt_reason"] == reason, name
        if reason == b"event_too_large":
            assert letter.value is None, "its value was read; what is left out is the event's"
        elif len(record.value or b"") < 65_536:
            assert letter.value == record.value, name
        else:
            assert record.value.startswith(letter.value or b""), name
            assert int(headers["nt_cut_bytes"]) == len(record.value), name
            assert headers["nt_cut_sha256"].decode() == hashlib.sha256(record.value).hexdigest(), name


async def test_headers_of_a_dead_letter_are_the_originals(bootstrap, tmp_path):
    """What fits is kept: bytes, key, and every header under a name of its own."""
    stage = await set_stage(bootstrap, tmp_path, 1)
    await stage.send([Sent(b"\xff", b"key", (("trace", b"\x00\xff"), ("nt_reason", b"forged")))])
    with FakeModel() as model:
        worker = Worker(stage, worker_settings(stage, model.base_url))
        try:
            await stage.until_progress(1, 60)
        finally:
            worker.end()
    (letter,) = await stage.read(stage.outputs[2])
    headers = dict(letter.headers)
    assert (letter.key, letter.value) == (b"key", b"\xff")
    assert headers["orig_trace"] == b"\x00\xff"
    assert headers["orig_nt_reason"] == b"forged"
    assert headers["nt_reason"] == b"undecodable"


def misspell_a_field(stage):
    stage.task_file.write_text(stage.task_file.read_text().replace("    labels:", "    lables:", 1))


def forget_the_task_file(stage):
    stage.task_file.unlink()


def name_an_absent_topic(stage):
    stage.task_file.write_text(stage.task_file.read_text().replace(stage.source, f"{stage.name}.absent"))


def name_an_absent_route(stage):
    stage.task_file.write_text(stage.task_file.read_text().replace(stage.outputs[2], f"{stage.name}.nowhere"))


def nothing(_stage):
    """Leave the task as it is."""


MISTAKES = {
    "unknown_field": (misspell_a_field, "ok", Exit.USAGE, "lables"),
    "absent_task": (forget_the_task_file, "ok", Exit.USAGE, "there is no such task file"),
    "absent_topic": (name_an_absent_topic, "ok", Exit.BROKER, "absent of task tickets does not exist"),
    "absent_route": (name_an_absent_route, "ok", Exit.BROKER, "nowhere of task tickets does not exist"),
    "refused_key": (nothing, "401", Exit.MODEL, "refuses the API key"),
    "unknown_model": (nothing, "404", Exit.MODEL, "does not know the model"),
}


@pytest.fixture(scope="module")
def model():
    with FakeModel() as fake:
        yield fake


@pytest.mark.parametrize("mistake", MISTAKES)
async def test_a_mistake_is_one_sentence_and_nothing_is_consumed(mistake, model, bootstrap, tmp_path):
    """The sentence says what is wrong, the exit code whose it is; there is no traceback, and the group never came to be."""
    make, mode, code, words = MISTAKES[mistake]
    stage = await set_stage(bootstrap, tmp_path, 1)
    await stage.send([neighbour(0)])
    make(stage)
    model.control(mode=mode)
    ended, said = run_to_end(["run", "--task", str(stage.task_file)], tmp_path, worker_settings(stage, model.base_url))
    model.control(mode="ok")
    assert ended == code, said
    errors = [line for line in said.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, said
    assert words in errors[0]
    assert "Traceback" not in said
    assert not (tmp_path / ".nanotriage").exists(), "a user's mistake is no crash"
    assert await stage.progress() == 0
    assert await stage.members() == frozenset()


async def test_a_broker_that_is_not_there_is_one_sentence_too(tmp_path):
    """Without patience the worker gives up at once, with the broker's exit code."""
    settings = environment(kafka__brokers="127.0.0.1:1", model__base_url="http://127.0.0.1:1/v1", health__port=0)
    ended, said = run_to_end(["run", "--task", "support_tickets", "--patience", "0"], tmp_path, settings)
    assert ended == Exit.BROKER, said
    assert len([line for line in said.splitlines() if line.startswith("error: ")]) == 1
    assert "Traceback" not in said
