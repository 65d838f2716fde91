"""What becomes of each letter in a replay, and what one transaction of it holds. Pure."""

from collections import Counter
from dataclasses import dataclass, replace
from enum import StrEnum

from topics.reading import Chunk
from topics.record import Outgoing
from workers.deadletters.done import Done, Walk
from workers.deadletters.letters import Alien, DeadLetter, original, parse
from workers.deadletters.where import Where

MAX_REPLAYS = 3


class Outcome(StrEnum):
    """What a replay does with a record of the dead-letter topic."""

    REPLAYED = "replayed"
    LEFT = "left"  # not selected
    CUT = "cut"  # refused: the original cannot be made from it
    REPLAYED_TOO_OFTEN = "replayed_too_often"  # refused: it died as often as --max-replays allows
    OTHER_SOURCE = "other_source"  # refused: it comes from a topic that is not the task's source now
    TOO_LARGE = "too_large"  # refused: the source topic takes no record of this size any more
    ALIEN = "alien"  # no dead letter, or another task's


REFUSED = (Outcome.CUT, Outcome.REPLAYED_TOO_OFTEN, Outcome.OTHER_SOURCE, Outcome.TOO_LARGE)
_NEVER = frozenset({Outcome.CUT, Outcome.ALIEN})


@dataclass(frozen=True, slots=True)
class Rules:
    """What is replayed: letters of the task that `where` selects, unless they were sent back `max_replays` times before.

    With `skip_rest` the letters that are left out are done with too, and no later replay takes them.
    """

    task: str
    source_topic: str
    where: Where
    max_replays: int
    now_ms: int
    skip_rest: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """One transaction: what is published, and what is done once it is committed."""

    outgoing: tuple[Outgoing, ...]
    done: Done
    outcomes: Counter[Outcome]

    def without(self, index: int) -> "Step":
        """Refuse the letter at this place of the transaction: the log calls it too large. It is done with all the same."""
        outcomes = self.outcomes + Counter({Outcome.TOO_LARGE: 1}) - Counter({Outcome.REPLAYED: 1})
        return replace(self, outgoing=self.outgoing[:index] + self.outgoing[index + 1 :], outcomes=outcomes)


def decide(letter: DeadLetter | Alien, rules: Rules) -> Outcome:
    """Return what a replay would do with the letter, whatever was done before."""
    if isinstance(letter, Alien) or letter.task != rules.task:
        return Outcome.ALIEN
    if not rules.where.selects(letter, rules.now_ms):
        return Outcome.LEFT
    if not letter.whole:
        return Outcome.CUT
    if letter.replays >= rules.max_replays:
        return Outcome.REPLAYED_TOO_OFTEN
    if letter.source.topic != rules.source_topic:
        return Outcome.OTHER_SOURCE
    return Outcome.REPLAYED


def plan(chunk: Chunk, done: Done, rules: Rules, room: int | None) -> Step:
    """Return the transaction for these records, with at most `room` letters to replay."""
    before = done.among(record.offset for record in chunk.records)
    walk = Walk(chunk.start, joined=chunk.start == 0 or chunk.start - 1 in done)
    outgoing: list[Outgoing] = []
    outcomes: Counter[Outcome] = Counter()
    for record in chunk.records:
        if len(outgoing) == room:
            break
        if record.offset in before:
            walk.letter(record.offset, done=True)
            continue
        letter = parse(record)
        outcome = decide(letter, rules)
        outcomes[outcome] += 1
        if outcome not in _NEVER:
            walk.letter(record.offset, done=outcome is not Outcome.LEFT or rules.skip_rest)
        if outcome is Outcome.REPLAYED and isinstance(letter, DeadLetter):
            outgoing.append(original(letter))
    else:
        walk.end(chunk.end)
    return Step(tuple(outgoing), done.plus(walk.runs), outcomes)


class Forgetting:
    """`--from-start`: what is done once the letters that are selected now are forgotten. Fed from the partition's start."""

    def __init__(self, start: int, done: Done, rules: Rules) -> None:
        self._start = start
        self._done = done
        self._rules = rules
        self._walk = Walk(start, joined=True)

    def see(self, chunk: Chunk) -> None:
        before = self._done.among(record.offset for record in chunk.records)
        for record in chunk.records:
            outcome = decide(parse(record), self._rules)
            if outcome not in _NEVER:
                self._walk.letter(record.offset, done=outcome is Outcome.LEFT and record.offset in before)
        self._walk.end(chunk.end)

    def result(self, end: int) -> Done:
        """`end` is where the walk ended; what is done beyond it stays so."""
        beyond = [(max(end, start), stop) for start, stop in self._done.runs if stop > end]
        return Done().plus([(0, self._start), *self._walk.runs, *beyond])
