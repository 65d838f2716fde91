"""How a group in memory shares partitions."""

from hypothesis import given
from hypothesis import strategies as st

from topics.memory.group import share
from topics.record import Partition


def parts(topic, count):
    return tuple(Partition(topic, number) for number in range(count))


@given(st.integers(0, 24), st.lists(st.integers(0, 9), min_size=1, max_size=8, unique=True), st.data())
def test_shares_are_even_complete_and_sticky(count, members, data):
    """Every partition has one owner, shares differ by one at most, and nobody loses one while below a fair share."""
    partitions = parts("t", count)
    previous = {p: data.draw(st.integers(0, 9)) for p in partitions if data.draw(st.booleans())}
    shares = share({"t": partitions}, {m: {"t"} for m in members}, previous)
    owned = [p for share_ in shares.values() for p in share_]
    assert sorted(owned) == sorted(partitions)
    sizes = sorted(len(share_) for share_ in shares.values())
    assert sizes[-1] - sizes[0] <= 1
    for member, share_ in shares.items():
        had = [p for p, owner in previous.items() if owner == member]
        kept = [p for p in had if p in share_]
        assert len(kept) >= min(len(had), count // len(members))


@given(st.integers(1, 12), st.integers(1, 6))
def test_nothing_moves_when_nothing_changed(count, members):
    """Sharing again with the result as the past gives the same result."""
    wanted = {m: {"t"} for m in range(members)}
    first = share({"t": parts("t", count)}, wanted, {})
    owners = {p: m for m, share_ in first.items() for p in share_}
    second = share({"t": parts("t", count)}, wanted, owners)
    assert {m: set(s) for m, s in first.items()} == {m: set(s) for m, s in second.items()}


def test_topics_go_to_those_who_want_them():
    """A member gets only partitions of its topics; a topic nobody wants goes to nobody."""
    shares = share({"a": parts("a", 2), "b": parts("b", 2), "c": parts("c", 1)}, {"x": {"a"}, "y": {"a", "b"}}, {})
    assert {p.topic for p in shares["x"]} <= {"a"}
    assert {p.topic for p in shares["y"]} <= {"a", "b"}
    assert sum(map(len, shares.values())) == 4
    assert share({"a": parts("a", 1)}, {}, {}) == {}
