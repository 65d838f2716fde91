"""Sends dead letters back to their source topic, each once, however often the replay is interrupted and begun again.

Exactly once, because one transaction holds letters on their way back and the note that they are done, which is the
committed offset of a consumer group of the replay's own (`workers.deadletters.done`). What is done is asked of the broker
only after the writer has opened, which decides the last transaction of a replay that was killed and fences one that still
runs: all replays of a task share one transactional id. So:

- A letter that was sent back is not sent back again, whatever `--where` says this time, until `--from-start`.
- A letter that `--where` leaves out stays for a later replay, or with `--skip-rest` is done with. One that is selected and
  refused is done with.
- `--from-start` forgets, before anything is published and in a transaction per partition, that the letters selected now
  are done. One that is interrupted is continued by the same command without `--from-start`.
- Letters that are written after the start are a later replay's, so a letter that dies again is not chased.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace

from topics.commit_map import UnknownMap
from topics.errors import LogUnavailable, RecordTooLarge, WriterFenced, WriterLost, missing_topic
from topics.log import Log, Writer
from topics.reading import Reader
from topics.record import Committed, Partition, Position
from workers.deadletters.done import Done, restored
from workers.deadletters.plan import Forgetting, Outcome, Rules, Step, plan
from workers.exits import Exit, UserError

ATTEMPTS = 8
Tell = Callable[[int], None]
"""Told how many offsets were passed since the last time."""


@dataclass(frozen=True, slots=True)
class Job:
    """One replay. `most` letters are sent back at most; None is all."""

    rules: Rules
    dead_topic: str
    group: str
    transactional_id: str
    most: int | None = None
    from_start: bool = False


def names_of(app: str, group: str, task: str) -> tuple[str, str]:
    """Return the consumer group and the transactional id of a task's replays. No lane of a worker has such an id."""
    return f"{group}.dlq-replay.{task}", f"{app}.{group}.dlq-replay.{task}"


@dataclass(frozen=True, slots=True)
class Stored:
    """What the broker keeps for a partition, and what it means there. `earliest` is the first offset still in the log."""

    partition: Partition
    committed: Committed | None
    done: Done
    earliest: int


Commit = Callable[[Stored, Step], Awaitable[tuple[Stored, Step]]]
"""Returns what is stored afterwards, and the step as it was committed."""


async def ends_of(log: Log, reader: Reader, job: Job) -> Mapping[Partition, int]:
    """Return where the dead topic's partitions end now. Raises topics.errors.LogError, also when a topic does not exist."""
    for topic in (job.rules.source_topic, job.dead_topic):
        if not await log.partitions(topic):
            raise missing_topic(topic)
    return await reader.ends(await log.partitions(job.dead_topic))


class Replay:
    """One run over the dead topic up to the given ends (`ends_of`). `tell` adds up to about their sum."""

    def __init__(self, log: Log, reader: Reader, job: Job, ends: Mapping[Partition, int]) -> None:
        self._log = log
        self._reader = reader
        self._job = job
        self._ends = ends
        self._writer: Writer | None = None

    async def survey(self, tell: Tell) -> Counter[Outcome]:
        """Return what `run` would do. Changes nothing, and disturbs no replay that runs."""
        outcomes: Counter[Outcome] = Counter()
        for partition in self._ends:
            stored = await self._stored(partition)
            await self._walk(replace(stored, done=await self._forgotten(stored)), _pretend, outcomes, tell)
        return outcomes

    async def run(self, tell: Tell) -> Counter[Outcome]:
        """Replay, and return what was done.

        Raises topics.errors.LogError when the cluster fails and UserError when another replay took over or what is left
        out cannot be noted. Nothing is lost or doubled then: the same command goes on, without `--from-start`.
        """
        outcomes: Counter[Outcome] = Counter()
        try:
            await self._open()
            if self._job.from_start:
                for partition in self._ends:
                    stored = await self._stored(partition)
                    await _note(stored, await self._forgotten(stored), self._commit)
            for partition in self._ends:
                # Asked anew for each: the writer may have been replaced, and another replay have run before that.
                await self._walk(await self._stored(partition), self._commit, outcomes, tell)
        finally:
            self._discard()
        return outcomes

    async def _forgotten(self, stored: Stored) -> Done:
        """Return what is done once `--from-start` has forgotten what is selected; all of it without that option."""
        if not self._job.from_start:
            return stored.done
        end = self._ends[stored.partition]
        forgetting = Forgetting(stored.earliest, stored.done, self._job.rules)
        async for chunk in self._reader.read(Position.restored(stored.partition, stored.earliest), end):
            forgetting.see(chunk)
        return forgetting.result(end)

    async def _walk(self, stored: Stored, commit: Commit, outcomes: Counter[Outcome], tell: Tell) -> None:
        """Plan chunk by chunk; commit each that has letters to send back, and the position at the end."""
        partition, done = stored.partition, stored.done
        at = max(done.position, stored.earliest)
        tell(min(at, self._ends[partition]))
        async for chunk in self._reader.read(Position.restored(partition, at), self._ends[partition]):
            room = None if self._job.most is None else self._job.most - outcomes[Outcome.REPLAYED]
            if room == 0:
                break
            step = plan(chunk, done, self._job.rules, room)
            if step.outgoing:
                stored, step = await commit(stored, step)
            done = step.done
            outcomes.update(step.outcomes)
            tell(chunk.end - chunk.start)
        # Nothing was published since the last commit, so a note that has no room need not be made.
        if done.metadata() is not None:
            await _note(stored, done, commit)

    async def _commit(self, stored: Stored, step: Step) -> tuple[Stored, Step]:
        """Commit the step; after any doubt replace the writer and ask the broker whether it was committed."""
        target = _committed(stored.partition, step.done)
        lost = 0
        while lost < ATTEMPTS:
            if self._writer is None:
                await self._open()
                committed = await self._log.committed(self._job.group, stored.partition)
                if committed == target:
                    break
                if committed != stored.committed:
                    raise self._overtaken()
            try:
                await self._must_writer().commit(step.outgoing, target)
            except RecordTooLarge as refused:
                step = step.without(refused.index)  # no failure: the next transaction has one letter less
            except WriterLost:
                lost += 1
            except WriterFenced:
                raise self._overtaken() from None
            else:
                break
            self._discard()
        else:
            raise LogUnavailable(f"{ATTEMPTS} transactions failed one after the other: run the same command again to go on")
        return replace(stored, committed=target, done=step.done), step

    async def _stored(self, partition: Partition) -> Stored:
        earliest = (await self._log.earliest(partition)).offset
        committed = await self._log.committed(self._job.group, partition)
        done = Done() if committed is None else await self._read(committed)
        return Stored(partition, committed, done.plus([(0, earliest)]), earliest)

    async def _read(self, committed: Committed) -> Done:
        group, partition, position = self._job.group, committed.position.partition, committed.position.offset
        done = restored(position, committed.metadata)
        if isinstance(done, UnknownMap):
            raise UserError(
                f"the note beside offset {position} of {partition} in group {group} is not a replay's ({done.why}): "
                "reset the group's offsets with Kafka's own tools, which then counts as done what is below them"
            )
        if position <= self._ends[partition] or position <= (end := (await self._reader.ends([partition]))[partition]):
            return done
        if self._job.from_start:
            return Done()
        raise UserError(
            f"{partition} ends at {end} and group {group} is at {position}, so the topic was made anew: begin with --from-start"
        )

    async def _open(self) -> None:
        writer = self._log.writer(self._job.transactional_id, self._job.group)
        await writer.open()
        self._writer = writer

    def _must_writer(self) -> Writer:
        if self._writer is None:
            raise RuntimeError("the writer is not open")
        return self._writer

    def _discard(self) -> None:
        if self._writer is not None:
            self._writer.discard()
            self._writer = None

    def _overtaken(self) -> UserError:
        sentence = (
            f"another replay of task {self._job.rules.task} took over, and this one stopped: no letter is sent back twice"
        )
        return UserError(sentence, Exit.FAILED)


async def _pretend(stored: Stored, step: Step) -> tuple[Stored, Step]:
    """Stand for a commit in a survey: refuse what cannot be noted, and change nothing."""
    return replace(stored, committed=_committed(stored.partition, step.done), done=step.done), step


async def _note(stored: Stored, done: Done, commit: Commit) -> None:
    untouched = stored.committed is None and not done.runs
    if not untouched and _committed(stored.partition, done) != stored.committed:
        await commit(stored, Step((), done, Counter()))


def _committed(partition: Partition, done: Done) -> Committed:
    """Raises UserError when the note has no room beside the offset."""
    metadata = done.metadata()
    if metadata is None:
        raise UserError(
            f"what --where leaves out of {partition} is too scattered to be noted beside a consumer offset: select longer "
            "stretches, such as age<1d, or add --skip-rest, which counts what is left out as done"
        )
    return Committed(Position.restored(partition, done.position), metadata)
