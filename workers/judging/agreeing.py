"""Agreeing: how many further answers about a message say the same of its labels. Pure."""

from collections.abc import Mapping, Sequence
from typing import assert_never

from schemas.verdict import Confidence, NotScored, Signal, SignalKind
from workers.judging.answers import Said
from workers.judging.reading import Imperfect, Read, Reader, Reading, Unread


class AgreementReader:
    """Reads the answer about all messages, and by number the further ones about each: `votes` have orders of their own."""

    def __init__(self, reader: Reader, votes: Mapping[int, Reader]) -> None:
        self._reader = reader
        self._votes = votes

    def read(self, said: Said, refs: Sequence[str]) -> list[Reading]:
        """Return one reading per ref; a message without all of its further answers is unread, and so asked again."""
        readings = self._reader.read(said.content, refs, cut=said.cut)
        pairs = zip(refs, readings, strict=True)
        return [self._join(ref, said.votes.get(ref, {}), reading, len(refs)) for ref, reading in pairs]

    def _join(self, ref: str, contents: Mapping[int, str], reading: Reading, items: int) -> Reading:
        if contents.keys() != self._votes.keys() and not isinstance(reading, Unread):
            return Unread.MISSING
        match reading:
            case Read():
                return reading._replace(signals=self._signals(ref, contents, reading, items))
            case Imperfect(read=read, wrong=wrong):
                return Imperfect(read._replace(signals=self._signals(ref, contents, read, items)), wrong)
            case Unread():
                return reading
            case _:
                assert_never(reading)

    def _signals(self, ref: str, contents: Mapping[int, str], read: Read, items: int) -> Mapping[str, Signal]:
        said = [_labels(reader.read(contents[vote], [ref], cut=False)[0]) for vote, reader in self._votes.items()]
        return {name: _signal(name, label, said, items, read.place) for name, label in read.labels.items()}


def _labels(reading: Reading) -> Mapping[str, str | None] | None:
    match reading:
        case Read(labels=labels) | Imperfect(read=Read(labels=labels)):
            return labels
        case Unread():
            return None
        case _:
            assert_never(reading)


def _signal(
    name: str, label: str | None, said: Sequence[Mapping[str, str | None] | None], items: int, place: int
) -> Confidence | NotScored:
    heard = [labels[name] for labels in said if labels is not None and name in labels]
    if len(heard) < len(said):
        return NotScored("a further answer about it has no valid label")
    # Laplace's rule of succession: a few answers that all agree are no certainty.
    share = (1 + sum(one == label for one in heard)) / (2 + len(heard))
    return Confidence(share, 1.0, items, place, SignalKind.AGREEMENT)
