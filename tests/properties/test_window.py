"""The batch window: nothing lost, nothing doubled, order kept, limits kept, and no message waits past its linger."""

import time
from itertools import cycle, islice

import hypothesis.strategies as st
from hypothesis import given

from schemas.priority import Priority
from workers.batching.window import ANYWHERE, ClosedBecause, Limits, Window

ITEMS = st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 500), st.floats(0, 0.5)), max_size=80)
PLACES = st.lists(st.tuples(st.sampled_from("xyz"), st.sampled_from(Priority), st.floats(0, 60)), min_size=1, max_size=20)
SIZES = st.lists(st.tuples(st.integers(1, 20), st.integers(1, 2000)), min_size=1, max_size=20)


@given(ITEMS, st.integers(1, 20), st.integers(1, 2000), st.booleans())
def test_every_item_leaves_once_in_order_within_the_limits(items, max_items, max_tokens, apart):
    """Whatever arrives when, batches keep count, tokens, tenant and order, and a drained window is empty."""
    window = Window(
        Limits(max_items, max_tokens, 0.2), (lambda item: (item[0], None, Priority.NORMAL)) if apart else (lambda _: ANYWHERE)
    )
    now, batches = 0.0, []
    for number, (tenant, tokens, pause) in enumerate(items):
        now += pause
        window.add((tenant, number, tokens), tokens, now)
        while (batch := window.close(now, draining=False)) is not None:
            batches.append(batch)
    while (batch := window.close(now, draining=True)) is not None:
        batches.append(batch)
    out = [item for batch in batches for item in batch.items]
    assert sorted(n for _, n, _ in out) == list(range(len(items)))
    assert len(window) == 0
    for batch in batches:
        assert 1 <= len(batch.items) <= max_items
        assert len(batch.items) == 1 or sum(t for _, _, t in batch.items) <= max_tokens
        assert not apart or len({tenant for tenant, _, _ in batch.items}) == 1
    for tenant in "abc" if apart else [None]:
        mine = [n for t, n, _ in out if tenant is None or t == tenant]
        assert mine == sorted(mine)


@given(ITEMS, st.floats(0.01, 1.0))
def test_nobody_waits_longer_than_the_linger(items, linger):
    """When the oldest is due and a slot is free, a batch closes, and `due_at` told when."""
    window = Window(Limits(16, 10_000, linger))
    now = 0.0
    for item in items:
        now += item[2]
        window.add(item, item[1], now)
    while (due := window.due_at()) is not None:
        batch = window.close(max(now, due), draining=False)
        assert batch is not None


def test_alone_it_is_asked_at_once_and_under_load_it_waits():
    """With a free slot a batch that cannot fill in time goes now; one that can, fills first."""
    quiet = Window(Limits(16, 10_000, 0.2))
    quiet.add("a", 1, 10.0)
    assert quiet.close(10.0, draining=False).closed_because is ClosedBecause.FREE_SLOT
    busy = Window(Limits(16, 10_000, 0.2))
    now = 0.0
    for number in range(400):  # 400 a second fill a batch of 16 within 40 ms
        now = number / 400
        busy.add(number, 1, now)
        while (batch := busy.close(now, draining=False)) is not None:
            last = batch
    assert last.closed_because is ClosedBecause.COUNT
    assert len(last.items) == 16


@given(ITEMS, PLACES, st.integers(1, 20), st.integers(1, 2000), st.booleans())
def test_every_item_leaves_once_whatever_its_flow_priority_and_age(items, places, max_items, max_tokens, apart):
    """Fairness changes the order only: nothing is lost, doubled or kept beyond its linger while a slot is free."""
    places = dict(enumerate(islice(cycle(places), len(items))))
    window = Window(
        Limits(max_items, max_tokens, 0.2), lambda item: (item[0] if apart else None, places[item[1]][0], places[item[1]][1])
    )
    now, out, arrived = 0.0, [], {}
    for number, (tenant, tokens, pause) in enumerate(items):
        now += pause
        while (due := window.due_at()) is not None and due <= now:
            batch = window.close(max(due, now - pause), draining=False)
            assert all(max(due, now - pause) - arrived[n] <= 0.2 + 1e-9 for _, n in batch.items)
            out += batch.items
        window.add((tenant, number), tokens, now, places[number][2])
        arrived[number] = now
    while (batch := window.close(now, draining=True)) is not None:
        assert not apart or len({tenant for tenant, _ in batch.items}) == 1
        out += batch.items
    assert sorted(number for _, number in out) == list(range(len(items)))
    assert len(window) == 0


@given(ITEMS, SIZES, st.booleans())
def test_a_window_may_be_resized_at_any_time(items, sizes, apart):
    """Every item still leaves once, in batches of the size of the moment, and none waits beyond the linger of the moment."""
    window = Window(Limits(16, 6_000, 0.2), lambda item: (item[0] if apart else None, None, Priority.NORMAL))
    now, out = 0.0, []

    def close(at, draining):
        batch = window.close(at, draining=draining)
        if batch is not None:
            assert len(batch.items) <= window.limits.max_items
            assert len(batch.items) == 1 or sum(tokens for _, _, tokens in batch.items) <= window.limits.max_tokens
            out.extend(number for _, number, _ in batch.items)
        return batch is not None

    for number, ((tenant, tokens, pause), size) in enumerate(zip(items, cycle(sizes), strict=False)):
        now += pause
        while (due := window.due_at()) is not None and due <= now:
            assert close(max(due, now - pause), draining=False)
        window.add((tenant, number, tokens), tokens, now)
        window.resize(Limits(*size, linger_seconds=number % 3 / 5))
    while close(now, draining=True):
        pass
    assert sorted(out) == list(range(len(items)))
    assert window.due_at() is None


@given(ITEMS, PLACES, st.sets(st.integers(0, 60)), st.booleans())
def test_what_is_removed_never_leaves_and_everything_else_does(items, places, gone, apart):
    """Whatever its flow, priority and age; and the window counts what is left as if the others had never come."""
    places = dict(enumerate(islice(cycle(places), len(items))))
    window = Window(Limits(4, 500, 0.2), lambda item: (item[0] if apart else None, places[item[1]][0], places[item[1]][1]))
    for number, (tenant, tokens, _) in enumerate(items):
        window.add((tenant, number), tokens, number / 1000, places[number][2])
    window.remove(lambda item: item[1] in gone)
    left = [number for number in range(len(items)) if number not in gone]
    assert len(window) == len(left)
    assert (window.due_at() is None) == (not left)
    out = []
    while (batch := window.close(1.0, draining=False)) is not None:
        assert len(batch.items) <= 4
        out += [number for _, number in batch.items]
    assert sorted(out) == left
    assert len(window) == 0


def test_what_a_message_costs_does_not_grow_with_the_queue():
    """Ten times the messages wait, in as many flows: a message costs about the same (ten times, if anybody looked at all)."""

    def cost(waiting):
        window = Window(Limits(), lambda item: (None, item % 50, Priority.NORMAL))
        for number in range(waiting):
            window.add(number, 100, 0.0)
        begun = time.process_time()
        for number in range(4_000):
            window.add(number, 100, 0.0)
            if number % 16 == 15:
                window.close(0.0, draining=False)
        return time.process_time() - begun

    assert min(cost(20_000) for _ in range(5)) < 3 * min(cost(2_000) for _ in range(5))
