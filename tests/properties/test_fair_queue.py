"""Fair shares: no flood delays another's lone message by more than a round, tokens are shared evenly, nobody starves."""

import hypothesis.strategies as st
from hypothesis import given

from schemas.priority import Priority
from workers.batching.fair_queue import QUANTUM, WEIGHTS, FairQueue
from workers.batching.shares import Shares
from workers.batching.window import ClosedBecause, Limits, Window

SIZES = st.lists(st.integers(1, 2 * QUANTUM), min_size=1, max_size=12)


class Crowd:
    """A queue that numbers its arrivals."""

    def __init__(self, weights=None):
        self.queue, self.count = FairQueue({} if weights is None else weights), 0

    def push(self, item, tokens, flow, due=None, priority=Priority.NORMAL):
        self.count += 1
        self.queue.push((due if due is not None else self.count, self.count, item, tokens, 0.0), flow, priority)

    def served(self, items):
        return self.queue.take(items, 10**9).items


@given(st.integers(1, 8), SIZES, st.integers(0, 200), st.integers(1, QUANTUM))
def test_a_flood_delays_a_lone_message_by_one_round_at_most(floods, sizes, before, tokens):
    """Whatever was served before, each flooding flow gets a turn's tokens and what it had saved for a long message."""
    crowd = Crowd()
    for number in range(before + 400):
        for flow in range(floods):
            size = sizes[(number + flow) % len(sizes)]
            crowd.push((flow, size), size, flow)
    crowd.served(before)
    crowd.push(("lone", tokens), tokens, "lone")
    ahead = dict.fromkeys(range(floods), 0)
    while (item := crowd.served(1)[0])[0] != "lone":
        ahead[item[0]] += item[1]
    assert max(ahead.values()) <= QUANTUM + max(sizes)


@given(SIZES, SIZES, st.integers(1, 300))
def test_two_floods_share_by_tokens_whatever_the_size_of_their_messages(left, right, count):
    """Served tokens differ by two turns and a long message of each at most."""
    crowd = Crowd()
    for number in range(1200):
        for flow, sizes in (("left", left), ("right", right)):
            size = sizes[number % len(sizes)]
            crowd.push((flow, size), size, flow)
    sums = {"left": 0, "right": 0}
    for flow, size in crowd.served(count):
        sums[flow] += size
    assert abs(sums["left"] - sums["right"]) <= 2 * QUANTUM + max(left) + max(right)


@given(SIZES, SIZES, st.floats(0.05, 20), st.floats(0.05, 20), st.integers(300, 600))
def test_two_floods_with_weights_share_in_proportion(left, right, one, other, count):
    """To within a turn and a long message of each; whoever has the smallest weight is served too, in the end."""
    weights = {"left": one, "right": other}
    crowd = Crowd(weights)
    for number in range(1200):
        for flow, sizes in (("left", left), ("right", right)):
            size = sizes[number % len(sizes)]
            crowd.push((flow, size), size, flow)
    sums = {"left": 0, "right": 0}
    for flow, size in crowd.served(count):
        sums[flow] += size
    turns = {flow: tokens / int(QUANTUM * weights[flow]) for flow, tokens in sums.items()}
    slack = sum(1 + max(sizes) / int(QUANTUM * weights[flow]) for flow, sizes in (("left", left), ("right", right)))
    assert abs(turns["left"] - turns["right"]) <= 1 + slack


def test_a_weight_that_changes_holds_from_the_next_turn_on():
    """The queue looks at the weights, and keeps none of its own."""
    weights = {}
    crowd = Crowd(weights)
    for _ in range(2_000):
        for flow in ("left", "right"):
            crowd.push(flow, QUANTUM, flow)
    assert abs(crowd.served(200).count("left") - 100) <= 2
    weights["left"] = 3.0
    assert abs(crowd.served(400).count("left") - 300) <= 4


@given(st.lists(st.tuples(st.floats(0, 100), st.sampled_from("ab")), max_size=60))
def test_within_a_flow_what_was_due_first_goes_first(arrivals):
    """Out of order arrivals are put in order; equals keep the order in which they came."""
    crowd = Crowd()
    for number, (due, flow) in enumerate(arrivals):
        crowd.push((flow, due, number), 10, flow, due)
    served = crowd.served(len(arrivals) + 1)
    assert len(served) == len(arrivals)
    for flow in "ab":
        mine = [item for item in served if item[0] == flow]
        assert mine == sorted(mine)


@given(st.sampled_from(Priority), st.sampled_from(Priority), st.integers(0, 200))
def test_a_lone_message_of_another_priority_is_next(flooding, lone, before):
    """A high one among a flood of normal ones, and just so a low one among a flood of high ones that has been served."""
    crowd = Crowd()
    for number in range(before + 100):
        crowd.push(number, 50, "flood", priority=flooding)
    crowd.served(before)
    crowd.push("lone", 50, "flood", priority=lone)
    assert lone == flooding or "lone" in crowd.served(2)


def test_priorities_share_by_their_weights_and_none_starves():
    """While all three wait, each gets its part of the tokens."""
    crowd = Crowd()
    for _ in range(2_100):
        for priority in Priority:
            crowd.push(priority, 50, "same", priority=priority)
    served = crowd.served(2_100)
    total = sum(WEIGHTS.values())
    for priority, weight in WEIGHTS.items():
        assert abs(served.count(priority) - 2_100 * weight / total) <= 2


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 100)), min_size=50, max_size=200))
def test_shares_follow_the_weights_whatever_the_work_costs(work):
    """Service over weight differs between two busy claimants by their largest pieces, each over its weight."""
    weights = {"a": 1.0, "b": 2.0, "c": 5.0}
    costs = {name: [cost for owner, cost in work if owner == name] or [1] for name in weights}
    shares, served = Shares(weights), dict.fromkeys(weights, 0.0)
    for number in range(300):
        name = shares.next(weights)
        cost = costs[name][number % len(costs[name])]
        shares.charge(name, cost)
        served[name] += cost / weights[name]
    most = sum(max(costs[name]) / weights[name] for name in weights)
    assert max(served.values()) - min(served.values()) <= most


def test_tenants_kept_apart_take_turns_by_batches():
    """A flood closes full batches for ever; another tenant's lone message is asked after its linger and one batch."""
    window = Window(Limits(4, 10_000, 0.2), lambda item: (item[0], None, Priority.NORMAL))
    for number in range(400):
        window.add(("flood", number), 10, 0.0)
    window.add(("lone", 0), 10, 0.0)
    now, batches = 0.0, []
    while len(batches) < 40:
        now += 0.05
        batches.append((now, window.close(now, draining=False)))
    ((when, lone),) = [(at, batch) for at, batch in batches if batch.items[0][0] == "lone"]
    assert len(lone.items) == 1
    assert lone.closed_because is ClosedBecause.LINGER
    assert when <= 0.2 + 2 * 0.05 + 1e-9
