"""The measurement of contexts: what a message is told, which messages are drawn, and what chance would do."""

import json
from pathlib import Path

import pytest

from tests.quality.contexts import compare, follow_ups, halves
from tests.quality.dialogues import messages


@pytest.mark.parametrize(("lost", "won", "p"), [(0, 0, 1.0), (5, 5, 1.0), (1, 12, 28 / 2**13), (0, 17, 2 / 2**17)])
def test_chance_is_told_by_the_pairs_that_differ(lost: int, won: int, p: float) -> None:
    """McNemar's exact test: each of them is a fair coin."""
    bare = [True] * lost + [False] * won + [True, False]
    told = [False] * lost + [True] * won + [True, False]
    found = compare("set", "model", bare, told)
    assert (found.only_without, found.only_with) == (lost, won)
    assert found.p == pytest.approx(p)


def test_a_message_is_told_what_was_said_before_it_in_its_own_dialogue(tmp_path: Path) -> None:
    """By both sides, oldest first; the drawn follow-ups are one a dialogue, and no dialogue is on both sides."""
    (tmp_path / "sgd_bank").mkdir()
    said = [
        {
            "dialogue": f"d{number}",
            "turn": turn,
            "previous": f"a{turn}" if turn else "",
            "text": f"c{turn}",
            "active_intent": "NONE",
        }
        for number in range(6)
        for turn in range(3)
    ]
    (tmp_path / "sgd_bank" / "train.jsonl").write_text("\n".join(map(json.dumps, said)), encoding="utf-8")
    asked = messages(tmp_path, "sgd_bank")
    first, second, third = asked[:3]
    assert (first.told, first.first) == (first.bare, True)
    assert [(turn.speaker, turn.text) for turn in second.told.context.turns] == [("customer", "c0"), ("agent", "a1")]
    assert [turn.text for turn in third.told.context.turns] == ["c0", "a1", "c1", "a2"]
    assert sorted(one.dialogue for one in follow_ups(asked)) == [f"d{number}" for number in range(6)]
    assert not any(one.first for one in follow_ups(asked, 4))
    one, other = ({each.dialogue for each in half} for half in halves(asked))
    assert (len(one), len(other), one & other) == (3, 3, set())
