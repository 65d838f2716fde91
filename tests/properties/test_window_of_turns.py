"""A conversation's window, for all turns, orders and repetitions."""

from hypothesis import given
from hypothesis import strategies as st

from workers.remembering.window import Bounds, Conversation, Place, Turn, before, tokens_of, with_turn
from workers.remembering.wire import from_bytes, to_bytes

texts = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=120)
bounds = st.builds(Bounds, st.integers(1, 6), st.integers(20, 80), st.integers(50, 2_000))


@st.composite
def sayings(draw):
    """Return (time, id, speaker, text), each at its own time."""
    times = draw(st.lists(st.integers(0, 1_000), unique=True, min_size=1, max_size=14))
    speaker = st.sampled_from(["customer", "agent", None])
    return [(time, f"m{index}", draw(speaker), draw(texts)) for index, time in enumerate(times)]


def told(said, limits):
    """Return the conversation that hears them in this order, each as a record of its own."""
    conversation = Conversation()
    for offset, (time, name, speaker, text) in enumerate(said):
        turn = Turn(Place(time, offset), name, speaker, text, None if speaker is None else f"{speaker}'s digest")
        conversation = with_turn(conversation, turn, limits)
    return conversation


def seen(conversation):
    return [(turn.place.time_ms, turn.id, turn.text) for turn in conversation.turns]


@given(sayings(), bounds, st.data())
def test_the_order_of_arrival_does_not_matter(said, limits, data):
    """Late and out-of-order turns end in the same window and the same counts."""
    in_order, shuffled = told(sorted(said), limits), told(data.draw(st.permutations(said)), limits)
    assert seen(shuffled) == seen(in_order)
    counts = [(c.fallen.turns, c.fallen.tokens, c.fallen.speakers, c.read.time_ms, c.customers) for c in (shuffled, in_order)]
    assert counts[0] == counts[1]


@given(sayings(), bounds)
def test_the_window_is_the_longest_run_of_newest_turns_within_the_bounds(said, limits):
    """Never over a bound; one more turn would be; nothing is lost: what is not in it is counted."""
    conversation = told(said, limits)
    kept = conversation.turns
    assert kept
    assert len(kept) <= limits.turns
    assert sum(tokens_of(turn.text) for turn in kept) <= limits.tokens
    assert conversation.fallen.turns + len(kept) == len(said)
    newest_first = sorted(said, reverse=True)
    assert [turn.id for turn in reversed(kept)] == [name for _, name, _, _ in newest_first[: len(kept)]]
    if len(kept) < len(said):
        time, _, _, text = newest_first[len(kept)]
        tokens = sum(tokens_of(turn.text) for turn in kept) + min(tokens_of(text), limits.tokens // 2)
        outlived = time < kept[-1].place.time_ms - limits.ttl_ms
        assert len(kept) == limits.turns or tokens >= limits.tokens or outlived


@given(sayings(), bounds, st.data())
def test_doubled_turns_change_nothing(said, limits, data):
    """Of records with one id the first counts, wherever the others stand."""
    doubled = [(turn[0] + 1_000_000, *turn[1:]) for turn in data.draw(st.lists(st.sampled_from(said), max_size=5))]
    once, twice = told(said, limits), told([*said, *doubled], limits)
    assert seen(twice) == seen(once)
    assert twice.fallen.turns == once.fallen.turns


@given(sayings(), bounds, st.data())
def test_reading_records_again_changes_nothing(said, limits, data):
    """A restart reads some of the last records a second time: the conversation is the same object."""
    conversation = told(said, limits)
    offset = data.draw(st.integers(0, len(said) - 1))
    for again, (time, name, speaker, text) in list(enumerate(said))[offset:]:
        assert with_turn(conversation, Turn(Place(time, again), name, speaker, text), limits) is conversation


@given(sayings(), bounds)
def test_what_is_written_is_read(said, limits):
    """Bytes and back is the same conversation."""
    conversation = told(said, limits)
    assert from_bytes(to_bytes(conversation)) == conversation


@given(
    st.binary(max_size=60) | st.sampled_from([b"{}", b'{"v":2}', b'{"v":1,"turns":[[1]],"read":[0,0]}', b'{"v":1,"turns":0}'])
)
def test_foreign_bytes_are_no_context(value):
    """Whatever stands in the topic, reading it raises nothing."""
    assert from_bytes(value) is None


@given(sayings(), bounds, st.integers(0, 1_100), st.integers(0, 20))
def test_a_message_sees_only_what_came_before_it(said, limits, time, offset):
    """Neither itself nor a later turn, though the keeper may be ahead of the worker."""
    place = Place(time, offset)
    found = before(told(said, limits), place, limits)
    assert all(turn.place < place and turn.place.time_ms >= time - limits.ttl_ms for turn in found)
