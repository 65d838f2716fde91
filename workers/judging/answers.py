"""Answers: what was written is read, what was decided is looked up, and both are one `Reading` per message. Pure."""

from collections.abc import Mapping, Sequence
from typing import Protocol, assert_never

from schemas.fields import UNKNOWN
from schemas.reply import CodeBook
from schemas.verdict import Confidence, Decision, Doubt, NotScored, Reason, Signal, SignalKind
from workers.judging.confidence import Scorer, TokenRow
from workers.judging.reading import Imperfect, Read, Reader, Reading, Unread


class Said(Protocol):
    """What came back of a question, whoever was asked."""

    @property
    def content(self) -> str: ...
    @property
    def cut(self) -> bool: ...
    @property
    def tokens(self) -> Sequence[TokenRow]: ...
    @property
    def decided(self) -> Mapping[str, Mapping[str, Decision]]: ...
    @property
    def votes(self) -> Mapping[str, Mapping[int, str]]: ...


class AnswerReader(Protocol):
    """Reads the answers to one task's questions on one route."""

    def read(self, said: Said, refs: Sequence[str]) -> list[Reading]:
        """Return one reading per ref, in the refs' order, with the signals of its labels."""


class WrittenReader:
    """Reads answers that stand in the content; `scorer` None is a route without log-probabilities."""

    def __init__(self, reader: Reader, scorer: Scorer | None) -> None:
        self._reader = reader
        self._scorer = scorer

    def read(self, said: Said, refs: Sequence[str]) -> list[Reading]:
        readings = self._reader.read(said.content, refs, cut=said.cut)
        if self._scorer is None or all(isinstance(reading, Unread) for reading in readings):
            return readings
        scores = self._scorer.score(said.content, said.tokens, len(readings))
        return [_scored(reading, scores) for reading in readings]


def _scored(reading: Reading, scores: Sequence[Mapping[str, Signal]]) -> Reading:
    match reading:
        case Read(place=place):
            return reading._replace(signals=scores[place]) if place < len(scores) else reading
        case Imperfect(read=read, wrong=wrong):
            return Imperfect(read._replace(signals=scores[read.place]), wrong) if read.place < len(scores) else reading
        case Unread():
            return reading
        case _:
            assert_never(reading)


class DecidedReader:
    """Reads answers whose labels were decided; `reader` reads what else stands in the content, None when nothing does."""

    def __init__(self, books: Mapping[str, CodeBook], reader: Reader | None) -> None:
        self._labels = {name: frozenset(book.labels.values()) for name, book in books.items()}
        self._reader = reader

    def read(self, said: Said, refs: Sequence[str]) -> list[Reading]:
        if self._reader is None:
            others: list[Reading] = [Read({}, {}, None, place) for place in range(len(refs))]
        else:
            others = self._reader.read(said.content, refs, cut=said.cut)
        return [self._join(said.decided.get(ref), reading) for ref, reading in zip(refs, others, strict=True)]

    def _join(self, decided: Mapping[str, Decision] | None, other: Reading) -> Reading:
        match other:
            case Unread():
                return other
            case Imperfect(read=read, wrong=already):
                wrong = list(already)
            case Read() as read:
                wrong = []
            case _:
                assert_never(other)
        if decided is None:
            return Unread.MISSING
        labels: dict[str, str | None] = {}
        signals: dict[str, Signal] = {}
        for name, known in self._labels.items():
            decision = decided.get(name)
            if decision is None or decision.label not in known:
                labels[name] = None
                wrong.append(Reason(Doubt.INVALID_ANSWER, name, "was not decided"))
                continue
            labels[name] = None if decision.label == UNKNOWN else decision.label
            signals[name] = _signal(decision, known)
        if not signals:
            return Unread.MISSHAPEN
        whole = Read(labels, read.written, None, read.place, signals)
        return Imperfect(whole, tuple(wrong)) if wrong else whole


def _signal(decision: Decision, known: frozenset[str]) -> Signal:
    distribution = decision.distribution
    if distribution is None:
        return NotScored("the decision has no distribution that can be used")
    if distribution.keys() != known:
        return NotScored("the decision's distribution is over other labels")
    # One message a call: no label is conditioned on a neighbour's.
    return Confidence(distribution[decision.label], sum(distribution.values()), 1, 0, SignalKind.DISTRIBUTION)
