"""The dead-letter brake: never too late, and never for a stream that is mostly well."""

import hypothesis.strategies as st
from hypothesis import given

from workers.brake import Brake, BrakeLimits

LIMITS = BrakeLimits(run=5, share=0.5, window=20)


@given(st.lists(st.tuples(st.sampled_from("ab"), st.booleans()), max_size=200))
def test_it_stops_before_a_run_or_a_share_is_exceeded_and_stays_stopped(outcomes):
    """Whatever comes, what was let through keeps both limits in each partition, and a tripped brake lets nothing through."""
    brake, passed, tripped = Brake(LIMITS), {"a": [], "b": []}, False
    for partition, dead in outcomes:
        if dead:
            why = brake.dead(partition)
            assert not (tripped and why is None)
            tripped = why is not None
        if not tripped:
            if not dead:
                brake.answered(partition)
            passed[partition].append(dead)
    for let_through in passed.values():
        runs = "".join("x" if dead else " " for dead in let_through).split()
        assert all(len(run) <= LIMITS.run for run in runs)
        windows = [let_through[i : i + LIMITS.window] for i in range(max(0, len(let_through) - LIMITS.window + 1))]
        assert all(sum(window) <= LIMITS.share * LIMITS.window for window in windows)


@given(st.integers(0, 3))
def test_some_dead_letters_are_everyday(dead_in_ten):
    """Up to three in ten, spread out, never stop the line."""
    brake = Brake(LIMITS)
    for number in range(500):
        if number % 10 < dead_in_ten:
            assert brake.dead("a") is None
        else:
            brake.answered("a")
