"""Windows of counts: every summary is added once, whatever is read again."""

import orjson
from hypothesis import given
from hypothesis import strategies as st

from workers.setting_model import Price
from workers.stateful.serving import exposition
from workers.stateful.windows import Summary, Window, Windows, after

SUMS = {
    "messages": 2,
    "labelled": 1,
    "escalated": 1,
    "seconds_sum": 3.0,
    "tokens": {"input": 1000.0, "cached": 0.0, "output": 10.0},
}


def summary(at_ms=61_000, tenant=None, sums=None):
    row = {"tenant": tenant, "model": "m", "sums": sums or SUMS}
    return orjson.dumps({"v": 1, "task": "t", "source": "in/0", "at_ms": at_ms, "rows": [row]})


def windows(**prices):
    return Windows(60_000, 3_600_000, prices)


def run(table, shown, records):
    for offset, value in records:
        summary = Summary.read(value)
        for window, sums in [] if summary is None else shown.changes(summary):
            table[window.key()] = after(table.get(window.key()), offset, sums)
            shown.take(window.key(), table[window.key()])


@given(st.lists(st.tuples(st.integers(0, 200_000), st.sampled_from([None, "a"])), max_size=12), st.data())
def test_what_is_read_again_is_added_once(said, data):
    """After a kill the last summaries are read again, from any one that was not acknowledged."""
    records = [(offset, summary(at, tenant)) for offset, (at, tenant) in enumerate(said)]
    once, again = {}, {}
    run(once, windows(), records)
    done = data.draw(st.integers(0, len(records)))
    run(again, windows(), records[:done])
    first = data.draw(st.integers(0, done))
    run(again, windows(), records[first:])
    assert again == once
    assert sum(orjson.loads(value)["sums"]["messages"] for value in once.values()) == 2 * len(said)


def test_a_summary_belongs_to_the_window_of_its_commit():
    """And to its task, tenant and model."""
    shown = windows()
    run({}, shown, [(0, summary(59_999)), (1, summary(60_000)), (2, summary(119_999, "a")), (3, b"{}"), (4, None)])
    assert set(shown.rows) == {Window(0, "t", None, "m"), Window(60_000, "t", None, "m"), Window(60_000, "t", "a", "m")}
    assert [window.start_ms for window in shown.over(3_660_001)] == [0]


def test_what_is_served_has_a_price_where_it_is_known():
    """JSON of every row, Prometheus of the last window that has ended."""
    shown = windows(m=Price(input=1.0, cached=0.1, output=10.0))
    run({}, shown, [(0, summary(1_000)), (1, summary(61_000))])
    assert [row["dollars"] for row in shown.told()] == [0.0011, 0.0011]
    assert [row["dollars"] for row in windows().told()] == []
    text = exposition(shown, 119_000).decode()
    assert 'nanotriage_window_messages{model="m",outcome="labelled",task="t",tenant=""} 1.0' in text
    assert 'nanotriage_window_record_to_event_seconds{model="m",task="t",tenant=""} 1.5' in text
    assert "nanotriage_window_messages{" not in exposition(shown, 200_000).decode()
