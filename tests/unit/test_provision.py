"""The plan for topics: pure comparison."""

import pytest

from topics.provision import Create, Differs, Fine, Grow, LogTopic, WantedTopic, plan

WANTED = WantedTopic("t", 4, 3, {"cleanup.policy": "compact"})


@pytest.mark.parametrize(
    ("have", "kinds"),
    [
        (None, [Create]),
        (LogTopic("t", 4, 3, {"cleanup.policy": "compact"}), [Fine]),
        (LogTopic("t", 2, 3, {"cleanup.policy": "compact"}), [Grow]),
        (LogTopic("t", 2, 3, {"cleanup.policy": "delete"}), [Grow, Differs]),
        (LogTopic("t", 9, 3, {"cleanup.policy": "compact"}), [Differs]),
        (LogTopic("t", 4, 1, {"cleanup.policy": "compact"}), [Differs]),
        (LogTopic("t", 4, 3, {}), [Differs]),
    ],
)
def test_rows(have, kinds):
    """Missing is created, smaller grows, everything else that differs is only told."""
    rows = plan({} if have is None else {"t": have}, [WANTED]).rows
    assert [type(row) for row in rows] == kinds


def test_only_creating_and_growing_are_changes():
    """A plan of differences alone has nothing to apply."""
    assert not plan({"t": LogTopic("t", 9, 1, {})}, [WANTED]).changes
    assert plan({}, [WANTED]).changes


def test_differences_say_how_it_is_and_how_it_should_be():
    """Each difference is one readable sentence."""
    (row,) = plan({"t": LogTopic("t", 9, 1, {"cleanup.policy": "delete"})}, [WANTED]).rows
    assert isinstance(row, Differs)
    assert list(row.what) == [
        "has 9 partitions, wanted are 4: partitions cannot be taken away",
        "has 1 replicas, wanted are 3",
        "has cleanup.policy=delete, wanted is compact",
    ]


def test_a_topic_without_partitions_cannot_be_wanted():
    """Zero partitions or replicas is a programming error."""
    with pytest.raises(ValueError, match="at least one"):
        WantedTopic("t", 0, 1)
