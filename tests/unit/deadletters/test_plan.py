"""What becomes of a letter, and what a transaction holds."""

from collections import Counter

import pytest

from schemas.verdict import Refusal
from tests.unit.deadletters.world import NOW_MS, TASK, dead_outgoing, record_of, source_record
from topics.reading import Chunk
from topics.record import Outgoing
from workers.deadletters.done import Done
from workers.deadletters.letters import parse
from workers.deadletters.plan import Outcome, Rules, decide, plan
from workers.deadletters.where import parse_where

RULES = Rules(TASK.name, "in", parse_where(["reason=no_text"]), max_replays=3, now_ms=NOW_MS)


def cut(letter):
    return Outgoing("dead", None, None, (*letter.headers, ("nt_cut_bytes", b"9")))


def other_task(letter):
    return Outgoing("dead", None, None, tuple((n, b"/nanotriage/x" if n == "ce_source" else v) for n, v in letter.headers))


LETTER = dead_outgoing(source_record())
CASES = [
    (LETTER, Outcome.REPLAYED),
    (dead_outgoing(source_record(), Refusal.EMPTY), Outcome.LEFT),
    (cut(LETTER), Outcome.CUT),
    (dead_outgoing(source_record(headers=(("nt_replay", b"2"),))), Outcome.REPLAYED),
    (dead_outgoing(source_record(headers=(("nt_replay", b"3"),))), Outcome.REPLAYED_TOO_OFTEN),
    (dead_outgoing(source_record(headers=(("nt_replay", b"0"), ("nt_replay", b"7")))), Outcome.REPLAYED_TOO_OFTEN),
    (dead_outgoing(source_record(topic="elsewhere")), Outcome.OTHER_SOURCE),
    (other_task(LETTER), Outcome.ALIEN),
    (Outgoing("dead", b"k", b"v", ()), Outcome.ALIEN),
]


@pytest.mark.parametrize(("letter", "outcome"), CASES)
def test_each_letter_has_one_outcome(letter, outcome):
    """For every reason there is."""
    assert decide(parse(record_of(letter)), RULES) is outcome


def chunk(*letters, start=0):
    records = [record_of(letter, start + 2 * place) for place, letter in enumerate(letters)]
    return Chunk(start, start + 2 * len(letters), records)


def test_a_step_publishes_what_is_replayed_and_is_done_with_all_but_what_is_left():
    """Every record is counted once; a letter left out holds the position."""
    step = plan(chunk(*(letter for letter, _ in CASES)), Done(), RULES, None)
    assert step.outcomes == Counter(outcome for _, outcome in CASES)
    assert len(step.outgoing) == step.outcomes[Outcome.REPLAYED]
    assert step.done.position == 1
    assert 2 not in step.done
    assert all(
        2 * place in step.done
        for place, (_, outcome) in enumerate(CASES)
        if outcome in {Outcome.REPLAYED, Outcome.OTHER_SOURCE}
    )


def test_what_is_done_is_not_replayed_again():
    """Nor counted."""
    once = plan(chunk(LETTER, LETTER, LETTER), Done(((0, 1), (4, 5))), RULES, None)
    assert [len(once.outgoing), once.done] == [1, Done(((0, 6),))]
    again = plan(chunk(LETTER, LETTER, LETTER), once.done, RULES, None)
    assert (again.outgoing, again.outcomes, again.done) == ((), Counter(), once.done)


def test_the_room_ends_a_step_at_the_last_letter_that_fits():
    """The next letter is neither published nor done."""
    step = plan(chunk(LETTER, LETTER, LETTER), Done(), RULES, 2)
    assert len(step.outgoing) == 2
    assert step.done.position == 3
    assert plan(chunk(LETTER), Done(), RULES, 0).done == Done()


def test_a_letter_the_log_calls_too_large_is_refused_and_done_with():
    """The others of the transaction are published."""
    letters = [dead_outgoing(source_record(value=b"%d" % n)) for n in range(3)]
    whole = plan(chunk(*letters), Done(), RULES, None)
    step = whole.without(1)
    assert [record.value for record in step.outgoing] == [b"0", b"2"]
    assert step.outcomes == {Outcome.REPLAYED: 2, Outcome.TOO_LARGE: 1}
    assert step.done == whole.done
