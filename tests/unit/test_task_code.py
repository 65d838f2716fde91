"""The user's own code, by what it says."""

import importlib.util
import math
from functools import partial

from workers.task_code import code_hash


def written(path, text):
    path.write_text(text, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_change_anywhere_in_the_module_of_a_check_is_a_change_of_the_check(tmp_path, monkeypatch):
    """What a check calls stands beside it; how often and in which order its functions are named means nothing."""
    text = "LIMIT = {}\ndef check(fields, text):\n    return LIMIT\ndef other(fields, text):\n    return None\n"
    seen = {}
    for limit in (1, 2):
        module = written(tmp_path / "own_checks.py", text.format(limit))
        monkeypatch.setitem(__import__("sys").modules, "own_checks", module)
        seen[limit] = code_hash([module.check])
        assert code_hash([module.other, module.check]) == seen[limit] != ""
    assert seen[1] != seen[2]


def test_code_without_a_source_counts_by_its_name():
    """Built-in functions and what is made at run time; no code at all is empty."""
    assert code_hash([math.sqrt]) != code_hash([math.sin])
    assert code_hash([partial(math.pow, 2)]) != ""
    assert code_hash([]) == ""
