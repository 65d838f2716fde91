"""What a table in memory lets go of: by when it was written, not by when it was said."""

from workers.stateful.silence import Silence


def test_a_key_is_held_for_the_time_to_live_after_it_was_written():
    """Whoever wrote it; one that was recovered, from when it is first looked at."""
    silence, table = Silence(500), {b"a": b"1", b"b": b"1"}
    assert silence.over(table, 1_000) == []
    assert silence.over(table, 1_500) == []
    table[b"b"] = b"2"
    assert silence.over(table, 1_501) == [b"a"]
    assert silence.over(table, 2_001) == [b"a"]
    assert silence.over(table, 2_002) == [b"a", b"b"]


def test_nothing_is_remembered_of_a_key_that_the_table_has_no_more():
    """A partition that was another's meanwhile begins anew; keys of others fill no memory."""
    silence, value = Silence(500), b"1"
    assert silence.over({b"a": value}, 1_000) == []
    assert silence.over({}, 1_100) == []
    assert silence.over({b"a": value}, 1_600) == []
