"""The command: a file in, a table or JSON out; what it cannot do is one sentence."""

import json
import random

from workers.cli import main

KINDS = {
    "table": "cancel my table reservation for dinner",
    "music": "play that loud rock song again",
    "where": "which city were you born in",
}


def written(path):
    """Sixty messages, twenty of a kind, each with two words left out."""
    rng = random.Random(1)
    lines = []
    for kind, text in KINDS.items():
        for number in range(20):
            words = text.split()
            for _ in range(2):
                words.pop(rng.randrange(len(words)))
            lines.append({"id": f"{kind}-{number}", "message": " ".join([*words, str(number)])})
    rng.shuffle(lines)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def test_clusters_of_a_file_are_listed(tmp_path, capsys):
    """As JSON with ids, so that one can look at the messages."""
    asked = ["discover", "--task", "banking_support", "--input", str(written(tmp_path / "in.jsonl")), "--vectors", "words"]
    assert main([*asked, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["messages"], said["vectors"], said["of_something_else"]) == (60, "words", 0)
    assert said["in_no_cluster"] == 60 - sum(one["size"] for one in said["clusters"])
    kinds = [{example["id"].split("-")[0] for example in one["examples"]} for one in said["clusters"]]
    assert all(len(each) == 1 for each in kinds)
    assert set.union(*kinds) == set(KINDS)
    assert main(asked) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("SIZE")
    assert "60 escalated messages, each text once;" in printed


def test_nothing_to_look_at_is_said(tmp_path, capsys):
    """An empty file has no clusters; one that is not there is a sentence with exit code 2."""
    empty = tmp_path / "empty.jsonl"
    empty.write_text("\x1b]0;x\n", encoding="utf-8")
    asked = ["discover", "--task", "banking_support", "--vectors", "words", "--input"]
    assert main([*asked, str(empty)]) == 0
    printed = capsys.readouterr().out
    assert "0 escalated messages" in printed
    assert "1 records are no escalations of banking_support." in printed
    assert main([*asked, str(tmp_path / "none")]) == 2
    assert "cannot be read" in capsys.readouterr().err
