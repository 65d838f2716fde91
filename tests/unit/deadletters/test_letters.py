"""Dead letters: read whatever they are, and the original comes back byte by byte."""

import hypothesis.strategies as st
from hypothesis import given

from schemas.verdict import Refusal
from tests.unit.deadletters.world import TASK, dead_outgoing, record_of, source_record
from topics.record import Outgoing, Partition, Record
from workers.deadletters.letters import REPLAY_HEADER, Alien, DeadLetter, original, parse
from workers.routing import Shrinker, dead_topics

NAMES = st.one_of(
    st.text(st.characters(codec="utf-8"), max_size=12),
    st.sampled_from(["orig_", "orig_x", "nt_reason", "ce_type", "nt_cut_bytes", "traceparent", "tracestate", "nt_offset"]),
)
HEADERS = st.lists(st.tuples(NAMES, st.binary(max_size=20)), max_size=8).map(tuple)
BYTES = st.none() | st.binary(max_size=50)


@given(BYTES, BYTES, HEADERS, st.sampled_from(Refusal))
def test_the_original_comes_back_whatever_it_was(key, value, headers, refusal):
    """Key, value and headers, doubled and hostile names too; only the count of replays is added."""
    record = source_record(key=key, value=value, headers=headers)
    letter = parse(record_of(dead_outgoing(record, refusal)))
    assert isinstance(letter, DeadLetter)
    assert letter.whole
    assert letter.reason == refusal
    assert original(letter) == Outgoing("in", key, value, (*headers, (REPLAY_HEADER, b"1")))


@given(BYTES, HEADERS, st.integers(1, 6))
def test_the_count_survives_every_death_and_stands_once(value, headers, deaths):
    """A record that dies after each replay counts up by one each time, and keeps its other headers."""
    record = source_record(value=value, headers=headers)
    for count in range(deaths):
        letter = parse(record_of(dead_outgoing(record)))
        assert isinstance(letter, DeadLetter)
        assert letter.replays == count
        back = original(letter)
        record = Record(Partition("in", 0), 50 + count, back.key, back.value, back.headers, 0)
    assert record.headers == (*headers, (REPLAY_HEADER, b"%d" % deaths))


def test_a_count_that_is_no_number_counts_nothing_and_is_replaced():
    """Somebody else's header of that name can neither block a replay nor make it endless."""
    for theirs in (b"", b"-1", b"many", b"9" * 5_000, "³".encode()):
        letter = parse(record_of(dead_outgoing(source_record(headers=((REPLAY_HEADER, theirs),)))))
        assert isinstance(letter, DeadLetter)
        assert letter.replays == 0
        assert original(letter).headers == ((REPLAY_HEADER, b"1"),)


@given(BYTES, BYTES, HEADERS)
def test_no_record_breaks_the_parser(key, value, headers):
    """Whatever stands in a dead-letter topic is a letter or an alien with a reason."""
    found = parse(Record(Partition("dead", 0), 0, key, value, headers, -1))
    assert isinstance(found, DeadLetter) or found.why


def test_a_letter_tells_what_the_router_wrote():
    """Reason, detail, source, attempts and task."""
    letter = parse(record_of(dead_outgoing(source_record(), Refusal.UNDECODABLE, detail="not JSON", attempts=3)))
    assert isinstance(letter, DeadLetter)
    assert (letter.task, letter.reason, letter.detail) == (TASK.name, "undecodable", "not JSON")
    assert (letter.source, letter.source_offset, letter.attempts) == (Partition("in", 2), 41, 3)
    assert (letter.cut_bytes, letter.size_bytes) == (None, 1)


def test_a_letter_that_was_shrunk_is_never_taken_for_the_original():
    """At every step of the worker's shrinking, down to the letter that only names its record."""
    shrink = Shrinker(dead_topics(TASK))
    event = dead_outgoing(source_record(key=b"k" * 50, value=b"x" * 100_000))
    steps = 0
    while (smaller := shrink(event)) != event:
        event, steps = smaller, steps + 1
        letter = parse(record_of(event))
        assert isinstance(letter, DeadLetter)
        assert not letter.whole
    assert steps > 2


def test_records_of_others_are_aliens():
    """A labelled event, a record without headers and one with a broken place are no letters."""
    letter = dead_outgoing(source_record())
    for name, value in (
        ("ce_type", b"nanotriage.labelled.v1"),
        ("ce_source", b"/else/x"),
        ("nt_offset", b"-1"),
        ("nt_topic", b""),
    ):
        headers = tuple((n, value if n == name else v) for n, v in letter.headers)
        assert isinstance(parse(record_of(Outgoing("dead", None, None, headers))), Alien)
    assert isinstance(parse(record_of(Outgoing("dead", None, b"x", ()))), Alien)
