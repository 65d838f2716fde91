"""Replays: every letter comes back once, whatever happens between the first and the last run."""

import asyncio
import contextlib
from collections import Counter

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from schemas.verdict import Refusal
from tests.unit.deadletters.world import DEAD, GROUP, TRANSACTIONAL_ID, World, dead_outgoing, source_record
from topics.errors import LogRefused, LogUnavailable, WriterLost
from topics.record import Committed, Outgoing, Position
from workers.deadletters.letters import REPLAY_HEADER
from workers.deadletters.plan import Outcome
from workers.deadletters.replay import ATTEMPTS
from workers.exits import UserError
from workers.routing import Shrinker

REASONS = (Refusal.NO_TEXT, Refusal.EMPTY, Refusal.UNDECODABLE)


class Killed(Exception):
    """Stands for the end of the process."""


def dying_after(calls: int):
    """Return a `tell` that ends the run at its so-many-th call, which is between two transactions."""
    left = [calls]

    def tell(_: int) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise Killed

    return tell


def filled(count: int = 20, partitions: int = 1) -> tuple[World, list[str]]:
    world = World(partitions)
    names = [f"m{number:03}" for number in range(count)]
    for number, name in enumerate(names):
        world.die(name, REASONS[number % len(REASONS)], partition=number % partitions)
    return world, names


async def test_everything_comes_back_as_it_was_and_a_second_run_finds_nothing():
    """Key, value and headers of the record that died, in the order of the dead topic."""
    world, names = filled(partitions=2)
    assert (await world.run())[Outcome.REPLAYED] == len(names)
    assert world.replayed() == names
    assert {(r.key, r.headers) for r in world.cluster.read("in")} == {(n.encode(), ((REPLAY_HEADER, b"1"),)) for n in names}
    assert not await world.run()
    assert world.replayed() == names


@pytest.mark.parametrize("calls", range(7))
async def test_a_run_that_is_killed_between_transactions_is_continued(calls):
    """Wherever it was killed, nothing is doubled and nothing is missing."""
    world, names = filled()
    with pytest.raises(Killed):
        await world.run(tell=dying_after(calls))
    assert len(world.replayed()) < len(names)
    await world.run()
    assert world.replayed() == names


async def test_a_transaction_that_was_left_open_is_undone_before_the_next_run_looks():
    """A process killed within a transaction published nothing of it."""
    world, names = filled()
    world.cluster.lose_next_commit(applied=False)
    writer = world.cluster.log().writer(TRANSACTIONAL_ID, GROUP)
    await writer.open()
    with pytest.raises(Exception, match="lost"):
        await writer.commit([Outgoing("in", b"k", b"ghost", ())], Committed(Position.restored(DEAD, 20), ""))
    await world.run()
    assert world.replayed() == names


@given(st.data())
@settings(max_examples=80)
def test_no_history_of_runs_doubles_or_loses_a_letter(data):
    """Any conditions, limits, lost answers, kills and late letters; then one plain run brings the rest."""
    asyncio.run(some_history(data))


async def some_history(data) -> None:
    partitions = data.draw(st.integers(1, 2))
    world, names = filled(data.draw(st.integers(0, 25)), partitions)
    for turn in range(data.draw(st.integers(0, 6))):
        where = data.draw(
            st.lists(st.sampled_from(["reason=no_text", "reason!=empty", "offset>=4", "offset<7", "partition=0"]), max_size=2)
        )
        for applied in data.draw(st.lists(st.booleans(), max_size=2)):
            world.cluster.lose_next_commit(applied=applied)
        tell = dying_after(data.draw(st.integers(0, 12)))
        with contextlib.suppress(Killed):
            await world.run(*where, tell=tell, most=data.draw(st.none() | st.integers(1, 5)))
        assert not [name for name, times in Counter(world.replayed()).items() if times > 1]
        if data.draw(st.booleans()):
            names.append(f"late{turn}")
            world.die(names[-1])
    await world.run()
    assert world.replayed() == sorted(names)


async def test_what_is_left_out_stays_and_what_was_sent_is_not_sent_by_another_condition():
    """Conditions may overlap as they like."""
    world, names = filled()
    first = await world.run("reason=empty")
    assert first == {Outcome.REPLAYED: 7, Outcome.LEFT: 13}
    second = await world.run("reason!=no_text")
    assert second == {Outcome.REPLAYED: 6, Outcome.LEFT: 7}
    assert (await world.run())[Outcome.REPLAYED] == 7
    assert world.replayed() == names


async def test_a_limit_is_kept_over_all_partitions():
    """And the next run goes on behind it."""
    world, names = filled(partitions=2)
    for _ in range(4):
        assert (await world.run(most=5))[Outcome.REPLAYED] == 5
    assert world.replayed() == names


async def test_from_start_sends_the_selected_once_more_and_nobody_else():
    """What was sent and is not selected stays done; one that is killed is continued without the option."""
    world, names = filled()
    await world.run()
    with pytest.raises(Killed):
        await world.run("reason=empty", from_start=True, tell=dying_after(3))
    await world.run()
    twice = Counter(world.replayed())
    assert twice == {name: 2 if number % 3 == 1 else 1 for number, name in enumerate(names)}


async def test_from_start_keeps_what_is_done_beyond_the_ends_it_was_given():
    """Another replay that ran while somebody was asked is not undone."""
    world, names = filled(10)
    slow = await world.replay(world.job(from_start=True))
    world.die("late")
    await world.run()
    await slow.run(lambda _: None)
    await world.run()
    assert Counter(world.replayed()) == {**dict.fromkeys(names, 2), "late": 1}


async def test_a_survey_says_what_a_run_does_and_changes_nothing():
    """For every option; it does not even stop a replay that runs."""
    world, _ = filled()
    running = await world.replay()
    await running._open()
    for options in ({}, {"most": 4}, {"from_start": True}):
        said = await world.survey("reason!=empty", **options)
        assert world.replayed() == []
        assert world.cluster.committed(GROUP, DEAD) is None
        other, _ = filled()
        assert await other.run("reason!=empty", **options) == said
    await running._walk(await running._stored(DEAD), running._commit, Counter(), lambda _: None)
    assert len(world.replayed()) == 20


async def test_letters_that_die_again_are_refused_in_the_end():
    """Three times by default, and each refusal is counted."""
    world = World()
    world.die("loops")
    for deaths in range(1, 4):
        assert await world.run() == {Outcome.REPLAYED: 1}
        back = world.cluster.read("in")[-1]
        assert dict(back.headers)[REPLAY_HEADER] == b"%d" % deaths
        world.put(dead_outgoing(back))
    assert await world.run() == {Outcome.REPLAYED_TOO_OFTEN: 1}
    assert len(world.replayed()) == 3
    assert await world.run("replays>=3", from_start=True, max_replays=9) == {Outcome.REPLAYED: 1}


async def test_letters_written_during_a_run_are_a_later_run_s():
    """So a worker that kills what it is sent cannot keep a replay running."""
    world, names = filled(6)
    await world.run(tell=lambda _: world.die("later") and None)
    assert world.replayed() == names


async def test_cut_letters_are_counted_and_never_sent():
    """They hold nothing up."""
    world = World()
    world.die("a")
    whole = dead_outgoing(source_record(value=b"x" * 100_000))
    world.put(Shrinker({})(whole))
    world.die("b")
    assert await world.run() == {Outcome.REPLAYED: 2, Outcome.CUT: 1}
    assert world.cluster.committed(GROUP, DEAD) == Committed(Position.restored(DEAD, 3), "")


async def test_a_letter_too_large_for_the_log_is_refused_and_the_rest_goes():
    """The log's limit may have shrunk since."""
    world, names = filled(5)
    world.put(dead_outgoing(source_record(value=b"x" * 5_000)))
    world.die("z")
    world.cluster.max_record_bytes = 1_000
    assert await world.run() == {Outcome.REPLAYED: 6, Outcome.TOO_LARGE: 1}
    assert world.replayed() == [*names, "z"]


class Interrupted:
    """A reader beside which something happens after the so-many-th chunk was read."""

    def __init__(self, reader, chunk, happens) -> None:
        self._reader = reader
        self._left = chunk
        self._happens = happens

    async def read(self, start, end):
        async for chunk in self._reader.read(start, end):
            self._left -= 1
            if self._left == 0:
                await self._happens()
            yield chunk


class LosingWriter:
    """A writer whose connection has gone."""

    async def commit(self, outgoing, committed):
        del outgoing, committed
        raise WriterLost("gone")

    def discard(self) -> None: ...


@pytest.mark.parametrize("chunk", [1, 3, 7])
async def test_a_second_replay_stops_the_first_and_they_double_nothing(chunk):
    """The later one goes on from what the earlier one committed."""
    world, names = filled()
    first = await world.replay()
    first._reader = Interrupted(first._reader, chunk, world.run)
    with pytest.raises(UserError, match="took over"):
        await first.run(lambda _: None)
    assert world.replayed() == names


async def test_a_replay_that_lost_its_writer_notices_who_ran_meanwhile():
    """What it was about to send has been sent: it stops instead."""
    world, names = filled()
    first = await world.replay()

    async def meanwhile() -> None:
        await world.run()
        first._writer = LosingWriter()

    first._reader = Interrupted(first._reader, 2, meanwhile)
    with pytest.raises(UserError, match="took over"):
        await first.run(lambda _: None)
    assert world.replayed() == names


async def test_a_replay_that_comes_back_to_life_asks_anew_before_each_partition():
    """It lost its writer, so opening another fenced the replay that ran meanwhile, and that one did the next partition."""
    world, names = filled(partitions=2)
    first = await world.replay()

    async def meanwhile() -> None:
        await world.run("partition=1")
        first._writer = LosingWriter()

    first._reader = Interrupted(first._reader, 1, meanwhile)
    assert (await first.run(lambda _: None))[Outcome.REPLAYED] == 10
    assert world.replayed() == names


async def test_retention_takes_letters_away_and_holds_nothing_up():
    """What is gone is done with."""
    world, names = filled()
    await world.run("offset>=10")
    world.cluster.trim(DEAD, 6)
    assert (await world.run())[Outcome.REPLAYED] == 4
    assert world.replayed() == sorted(names[6:])


async def test_a_topic_made_anew_is_noticed():
    """An offset of the topic that was must not hide the letters of the one that is."""
    world, names = filled(3)
    writer = world.cluster.log().writer("t", GROUP)
    await writer.open()
    await writer.commit([], Committed(Position.restored(DEAD, 99), ""))
    with pytest.raises(UserError, match="made anew: begin with --from-start"):
        await world.run()
    assert (await world.run(from_start=True))[Outcome.REPLAYED] == 3
    assert world.replayed() == names


async def test_a_note_of_somebody_else_is_refused():
    """Guessing would send letters twice."""
    world, _ = filled(3)
    writer = world.cluster.log().writer("t", GROUP)
    await writer.open()
    await writer.commit([], Committed(Position.restored(DEAD, 1), "v1:AQ=="))
    with pytest.raises(UserError, match="is not a replay's"):
        await world.run(from_start=True)


async def test_what_is_too_scattered_to_note_is_refused_before_it_is_sent():
    """The sentence names a way, and the way works."""
    world = World()
    for number in range(6_000):
        world.die(f"m{number:04}", REASONS[number % 2])
    replay = await world.replay(world.job("reason=empty"), chunk_records=500)
    with pytest.raises(UserError, match="too scattered"):
        await replay.run(lambda _: None)
    sent = world.replayed()
    assert len(set(sent)) == len(sent) > 500
    with pytest.raises(UserError, match="too scattered"):
        await (await world.replay(world.job("reason=empty"), chunk_records=500)).survey(lambda _: None)
    skipping = await world.replay(world.job("reason=empty", skip_rest=True), chunk_records=500)
    await skipping.run(lambda _: None)
    assert len(world.replayed()) == len(set(world.replayed())) == 3_000
    assert world.cluster.committed(GROUP, DEAD).position.offset == 6_000


async def test_the_rest_can_be_skipped_for_good():
    """With the option no later replay takes what was left out."""
    world, names = filled()
    assert (await world.run("reason=empty", skip_rest=True))[Outcome.LEFT] == 13
    assert not await world.run()
    assert world.replayed() == names[1::3]


async def test_missing_topics_and_a_cluster_that_is_down_are_sentences():
    """Nothing waits for ever."""
    world = World()
    job = world.job()
    world.cluster._topics.pop("in")
    with pytest.raises(LogRefused, match="topic in does not exist"):
        await world.replay(job)
    world, _ = filled(3)
    replay = await world.replay()
    for _ in range(20):
        world.cluster.lose_next_commit(applied=False)
    with pytest.raises(LogUnavailable, match="run the same command again"):
        await replay.run(lambda _: None)


async def test_any_number_of_letters_too_large_for_the_log_is_refused():
    """Each is found by a transaction of its own, and none of them is a failure that another run would meet again."""
    world, names = filled(ATTEMPTS + 5)
    for number in range(ATTEMPTS + 1):
        world.put(dead_outgoing(source_record(offset=number, value=b"x" * 5_000)))
    world.cluster.max_record_bytes = 1_000
    assert await (await world.replay(chunk_records=100)).run(lambda _: None) == {
        Outcome.REPLAYED: len(names),
        Outcome.TOO_LARGE: ATTEMPTS + 1,
    }
    assert world.replayed() == names
