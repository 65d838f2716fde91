import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from schemas.fields import UNKNOWN, ExtractField, LabelField
from schemas.patterns import matches
from schemas.values import parse_value, stands_in
from tests.public_data import require_public_data
from workers.taskfiles import load_task, shipped_tasks

DATA = ["banking_support", "card_transactions", "support_tickets"]


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def folded(text: str) -> str:
    return " ".join(re.sub(r"[^\w\s]|_", " ", text.lower()).split())


def records(name: str) -> dict[str, str]:
    """Return the text of each sample record by id, read by the task's own mapping."""
    loaded = load_task(name)
    source = loaded.task.source
    return {record[source.id]: record[source.text] for record in lines(loaded.sample_path)}


@pytest.mark.parametrize("name", DATA)
def test_each_sample_record_has_one_gold_answer(name):
    """Gold ids are the sample's ids, in the same order, each once."""
    loaded = load_task(name)
    ids = [record[loaded.task.source.id] for record in lines(loaded.sample_path)]
    assert len(set(ids)) == len(ids) == 1_500
    assert [answer["id"] for answer in lines(loaded.gold_path)] == ids


@pytest.mark.parametrize("name", DATA)
def test_gold_labels_are_the_tasks_labels(name):
    """Each gold field is a field of the task and each label is in its set, or unknown; every label occurs."""
    task = load_task(name).task
    seen: dict[str, set[str]] = {}
    for answer in lines(load_task(name).gold_path):
        for field, value in answer["fields"].items():
            if isinstance(task.fields[field], LabelField):
                seen.setdefault(field, set()).add(value)
    assert seen
    for field, values in seen.items():
        assert values - {UNKNOWN} == set(task.fields[field].labels)


@pytest.mark.parametrize("name", DATA)
def test_gold_values_stand_in_the_text_and_are_normal(name):
    """Every extracted gold value stands in its text, matches the field's pattern and is in normal form."""
    task, texts = load_task(name).task, records(name)
    for answer in lines(load_task(name).gold_path):
        for field, value in answer["fields"].items():
            spec = task.fields[field]
            if not isinstance(spec, ExtractField):
                continue
            written = f"{value['amount']} {value['currency']}" if isinstance(value, dict) else value
            assert parse_value(spec.type, written) == value
            assert stands_in(texts[answer["id"]], value["amount"].split(".")[0] if isinstance(value, dict) else value)
            assert spec.pattern is None or matches(spec.pattern, written)


@pytest.mark.parametrize("name", DATA)
def test_no_example_is_in_the_sample(name):
    """What is taught is not measured: examples and sample share no text, however written; every label is taught."""
    loaded = load_task(name)
    fold = str if name == "card_transactions" else folded
    taught = lines(loaded.examples_path)
    assert not {fold(example["text"]) for example in taught} & {fold(text) for text in records(name).values()}
    (field,) = [field for field, spec in loaded.task.fields.items() if isinstance(spec, LabelField)]
    assert {example[field] for example in taught} == set(loaded.task.fields[field].labels)


@pytest.mark.parametrize("name", shipped_tasks())
def test_prompts_stay_short(name):
    """Descriptions have at most 90 characters, since each is paid for with every call."""
    task = load_task(name).task
    for field in task.fields.values():
        assert len(field.description) <= 90
        if isinstance(field, LabelField):
            assert all(0 < len(description) <= 90 for description in field.labels.values())


def test_the_data_is_small_and_says_where_it_is_from():
    """All shipped tasks together stay below 1.2 MB, and each has its source and licence beside it."""
    folders = [load_task(name).path.parent for name in DATA]
    assert sum(file.stat().st_size for folder in folders for file in folder.iterdir()) < 1_200_000
    for folder in folders:
        readme = (folder / "README.md").read_text(encoding="utf-8")
        assert "## Source and licence" in readme
        assert "commit" in readme
    assert "Community Data License Agreement" in (folders[2] / "LICENSE").read_text(encoding="utf-8")
    assert "Attribution 4.0 International" in (folders[0] / "LICENSE").read_text(encoding="utf-8")
    assert "Open Government Licence" in (folders[1] / "README.md").read_text(encoding="utf-8")


def test_task_files_are_plain_yaml():
    """Any YAML reader understands the shipped files as we do."""
    for name in DATA:
        loaded = load_task(name)
        assert yaml.safe_load(loaded.path.read_text(encoding="utf-8"))["routes"]["dead"] == loaded.task.routes.dead


def test_the_same_data_gives_the_same_files(tmp_path):
    """The shipped samples are what the script cuts from the published data."""
    data = require_public_data()
    for name in DATA:
        (tmp_path / name).mkdir()
    script = Path(__file__).parents[1] / "tools" / "build_tasks.py"
    subprocess.run([sys.executable, str(script), str(data), str(tmp_path)], check=True)
    for name in DATA:
        for file in ("sample.jsonl", "gold.jsonl", "examples.jsonl"):
            assert (tmp_path / name / file).read_bytes() == (load_task(name).path.parent / file).read_bytes()
