"""CSV files: people's exports become records, gold labels and labelled rows, or one sentence."""

import csv
import io
import json

import pytest

from tests.unit.evaluating.test_gold_and_inputs import TASK
from workers.evaluating.gold import load_gold
from workers.evaluating.inputs import load_inputs
from workers.exits import UserError


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_any_spreadsheets_export_is_read(tmp_path, separator, mark, end):
    """Separator, byte order mark and line ends as they come; a quoted text keeps what separates; an empty cell is no value."""
    path = tmp_path / "in.csv"
    rows = [
        ["id", "who", "body", "intent", "note"],
        ["1", "me", f'say "hi"{separator} twice\nor so', "a", ""],
        ["2", "", "é", "", "x"],
    ]
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=separator, lineterminator=end).writerows([*rows, [], ["", "", "", "", ""]])
    path.write_bytes((mark + text.getvalue()).encode())
    first, second = load_inputs(path, TASK.source)
    assert json.loads(first.value) == {"id": "1", "who": "me", "body": rows[1][2]}
    assert (first.message_id, first.key, second.message_id, second.key) == ("1", b"me", "2", None)
    assert load_gold(path, TASK) == {"1": {"intent": "a"}}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"\xef\xbb\xbf\r\n", "is empty"),
        (b"id,body\n", "has no rows below its header"),
        (b"id,text\n1,x\n", "has no column body, which the task's source.text names: it has id, text"),
        (b"body\nx\n", "has no column id, which the task's source.id names"),
        (b"id,body\n1,caf\xe9\n", ":2: is not UTF-8; save the file as CSV UTF-8"),
        (b"id,body\n1,a\n2,b,c\n", ":3: has 3 cells and the header 2"),
        (b'id,body\n1,"a"b\n', ":2: is not CSV"),
        (b'id,body\n1,"a\n', "is not CSV"),
        (b"id,body,id\n1,x,2\n", ":1: has two columns id"),
    ],
)
def test_what_is_no_csv_of_the_task_is_one_sentence(tmp_path, content, words):
    """Every ordinary mistake names the file, and the line where there is one."""
    path = tmp_path / "in.csv"
    path.write_bytes(content)
    with pytest.raises(UserError) as refused:
        load_inputs(path, TASK.source)
    assert words in str(refused.value)
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", ["missing.csv", "missing.jsonl"])
def test_a_missing_file_names_no_option_that_the_command_may_not_have(tmp_path, name):
    """`label` takes an argument where `eval` takes --input; both say the path."""
    with pytest.raises(UserError, match=rf"{name} cannot be read \(No such file or directory\): correct its path"):
        load_inputs(tmp_path / name, TASK.source)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("who,intent\nx,a\n", "has no column id"),
        ("id,intnt\n1,a\n", "has no column with gold labels: name one as a field of the task: intent, mood"),
        ("id,intent\n1,z\n", ":2: field intent has no label 'z'"),
        ("id,intent\n,a\n", ":2: has gold labels and no id"),
        ("id,intent\n1,a\n1,b\n", ":3: the id 1 stands in an earlier line"),
    ],
)
def test_a_wrong_gold_cell_is_one_sentence_with_its_line(tmp_path, content, words):
    """As for lines of JSON."""
    path = tmp_path / "gold.csv"
    path.write_text(content)
    with pytest.raises(UserError) as refused:
        load_gold(path, TASK)
    assert words in str(refused.value)
