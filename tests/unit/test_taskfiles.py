import json
from pathlib import Path

import pytest

from tests.task_texts import TASK, refusal, write
from workers.taskfiles import TaskRefused, load_task, shipped_tasks


def test_a_plain_task_loads_by_file_and_by_folder(tmp_path):
    """A path to the file and a path to its folder name the same task."""
    path = write(tmp_path, TASK)
    by_file, by_folder = load_task(str(path)), load_task(str(tmp_path))
    assert by_file.task == by_folder.task
    assert by_file.path == by_folder.path == path
    assert (by_file.examples_path, by_file.sample_path, by_file.gold_path, by_file.reply_model) == (None,) * 4


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", "is not JSON in UTF-8"),
        ("[" * 100_000, "is not JSON in UTF-8"),
        ("[]", "an example is"),
        ('{"text":" ","intent":"buy"}', "with some text"),
        ('{"text":"a","intent":"steal"}', "field intent has no label 'steal'"),
        ('{"text":"a","amount":"1"}', "`amount` is no label field of the task; use one of: intent"),
        ('{"text":"a"}', "the example has no label"),
    ],
)
def test_a_wrong_example_is_refused_with_its_own_file_and_line(tmp_path, line, words):
    """Examples are checked when the task is loaded, each line by itself."""
    examples = tmp_path / "examples.jsonl"
    examples.write_text('{"text":"a","intent":"buy"}\n' + line + "\n")
    path = write(tmp_path, TASK + "examples: examples.jsonl\n")
    with pytest.raises(TaskRefused) as refused:
        load_task(str(path))
    assert str(refused.value).startswith(f"{examples}:2: ")
    assert words in str(refused.value)


def test_an_unknown_reference_names_what_is_near(tmp_path):
    """A slip in a shipped task's name is answered with the right name."""
    with pytest.raises(TaskRefused, match="did you mean `support_tickets`"):
        load_task("support_ticket")
    with pytest.raises(TaskRefused, match="there is no such task file; give a path, or one of the shipped tasks: "):
        load_task(str(tmp_path / "zzz"))


OWN_CODE = """
from pydantic import BaseModel

class Ticket(BaseModel):
    intent: str | None

def small(fields, text):
    return None if len(text) < 100 else "too long"

def one(fields):
    return None

async def later(fields, text):
    return None

value = 3
"""


def own_task(folder: Path, module: str, model: str, function: str) -> str:
    code = f"  - check: function\n    function: {module}:{function}\nthresholds:"
    return f"reply_model: {module}:{model}\n" + TASK.replace("thresholds:", code)


def test_own_model_and_function_load_from_the_path(tmp_path, monkeypatch):
    """A task may bring a pydantic model and check functions from a folder on sys.path, by import path only."""
    (tmp_path / "own_code_a.py").write_text(OWN_CODE)
    monkeypatch.syspath_prepend(tmp_path)
    loaded = load_task(str(write(tmp_path, own_task(tmp_path, "own_code_a", "Ticket", "small"))))
    assert loaded.reply_model is not None
    assert loaded.reply_model.model_validate({"intent": "buy"}).model_dump() == {"intent": "buy"}
    assert loaded.functions["own_code_a:small"]({}, "x" * 200) == "too long"


def test_own_code_loads_from_the_current_folder(tmp_path, monkeypatch):
    """The current folder is looked into, and last, so that nothing in it can stand in for a library."""
    (tmp_path / "own_code_b.py").write_text(OWN_CODE)
    monkeypatch.setattr("sys.path", [entry for entry in __import__("sys").path if entry])
    monkeypatch.chdir(tmp_path)
    assert "own_code_b:small" in load_task(str(write(tmp_path, own_task(tmp_path, "own_code_b", "Ticket", "small")))).functions
    assert __import__("sys").path[-1] == str(tmp_path)


def test_without_leave_no_code_of_the_user_runs(tmp_path, monkeypatch):
    """With import_user_code=False the module is not imported, and the task still loads."""
    (tmp_path / "own_code_c.py").write_text("raise RuntimeError('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    loaded = load_task(str(write(tmp_path, own_task(tmp_path, "own_code_c", "A", "b"))), import_user_code=False)
    assert loaded.reply_model is None
    assert not loaded.functions


@pytest.mark.parametrize("function", ["one", "later", "value"])
def test_what_is_no_check_function_is_refused(tmp_path, monkeypatch, function):
    """A function of another shape, a coroutine function and a number are refused at the line that names them."""
    module = f"own_code_{function}"
    (tmp_path / f"{module}.py").write_text(OWN_CODE)
    monkeypatch.syspath_prepend(tmp_path)
    line, sentence = refusal(tmp_path, own_task(tmp_path, module, "Ticket", function))
    assert (line, sentence) == (23, f"{module}:{function} is not a function of (fields, text); name one that takes these two")


def test_a_module_that_fails_is_refused_with_its_error(tmp_path, monkeypatch):
    """What the user's module raises becomes part of the sentence, even if it wants to exit."""
    (tmp_path / "own_code_exit.py").write_text("raise SystemExit('bye\\nbye')")
    monkeypatch.syspath_prepend(tmp_path)
    line, sentence = refusal(tmp_path, own_task(tmp_path, "own_code_exit", "Ticket", "small"))
    assert (line, sentence) == (1, "own_code_exit:Ticket cannot be imported: SystemExit: bye bye; correct that module")


def test_our_own_packages_are_refused_even_without_import(tmp_path):
    """An import path into nanotriage is refused whether or not code would be imported."""
    text = own_task(tmp_path, "schemas.evil", "A", "b")
    line, sentence = refusal(tmp_path, text, import_user_code=False)
    assert line == 23
    assert "give your package a name other than schemas" in sentence


def test_a_route_by_label_loads(tmp_path):
    """Labelled events may be spread over topics by the label of one field."""
    routes = "labelled: {field: intent, topics: {buy: shop.buy}, otherwise: shop.out}"
    loaded = load_task(str(write(tmp_path, TASK.replace("labelled: shop.out", routes))))
    assert loaded.task.routes.topics() == {"shop.buy", "shop.out", "shop.escalated", "shop.dead"}


def test_every_shipped_task_is_found_by_its_name():
    """The name of a shipped task's folder is the name in its file."""
    assert {"banking_support", "card_transactions", "support_tickets"} <= set(shipped_tasks())
    for name in shipped_tasks():
        assert load_task(name).task.name == name


def test_sample_gold_and_examples_are_found_beside_the_file(tmp_path):
    """Files that exist are named; those that do not are None."""
    (tmp_path / "sample.jsonl").write_text("{}\n")
    (tmp_path / "examples.jsonl").write_text(json.dumps({"text": "a", "intent": "unknown"}) + "\n")
    loaded = load_task(str(write(tmp_path, TASK + "examples: examples.jsonl\n")))
    assert loaded.sample_path == tmp_path / "sample.jsonl"
    assert loaded.examples_path == tmp_path / "examples.jsonl"
    assert loaded.gold_path is None
