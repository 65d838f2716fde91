"""A conversation's window: its last turns within bounds, and counts of what fell out. Pure.

Turns are ordered by their place, (time, offset): event time, so that a late turn stands where it belongs. The window is the
longest run of newest turns that keeps the bounds, whatever the order in which they came: a turn at or before the newest that
ever fell out falls out at once. A record that is read again changes nothing, and of two records with one id the first counts.

Tokens are estimated, bytes of UTF-8 by 3.6: no tokenizer is asked.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

BYTES_PER_TOKEN = 3.6
_REMEMBERED_IDS = 16
_MOST_SPEAKERS = 8
_MOST_CUSTOMERS = 16
_OTHERS = "others"
_CUT = "…"


class Place(NamedTuple):
    """Where a turn stands: its time in milliseconds since the epoch, and its offset among turns of one time."""

    time_ms: int
    offset: int


_BEFORE_ALL = Place(-1, -1)


class Turn(NamedTuple):
    """One message of a conversation. `speaker` is None where the task maps none.

    `customer` is the digest of whose message it is, if that is told. Not the turns of a conversation hold it but itself.
    """

    place: Place
    id: str
    speaker: str | None
    text: str
    customer: str | None = None


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a window holds at most. A turn that takes more than half of `tokens` is cut to that."""

    turns: int
    tokens: int
    ttl_ms: int


@dataclass(frozen=True, slots=True)
class Fallen:
    """What fell out of the window, as counts: turns, estimated tokens, turns by speaker, and the first and newest place.

    A turn that is doubled after its id is forgotten (the last 16 that fell are known) counts twice.
    """

    turns: int = 0
    tokens: int = 0
    first: Place | None = None
    newest: Place = _BEFORE_ALL
    speakers: Mapping[str, int] = field(default_factory=dict)
    ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Conversation:
    """The window. `read` is the newest time and the highest offset of all records that it was made from.

    `customers` are the digests of everybody in it, so that each can be forgotten: at most 16, a further one begins it anew.
    """

    turns: tuple[Turn, ...] = ()
    fallen: Fallen = Fallen()
    read: Place = _BEFORE_ALL
    customers: tuple[str, ...] = ()


def tokens_of(text: str) -> int:
    """Return an estimate of the text's tokens, at least one."""
    return max(1, round(len(text.encode("utf-8", "replace")) / BYTES_PER_TOKEN))


def with_turn(conversation: Conversation, turn: Turn, bounds: Bounds) -> Conversation:
    """Return the conversation after the turn. The same object when the turn's record was read before."""
    read = conversation.read
    if turn.place.offset <= read.offset and turn.place.time_ms <= read.time_ms:
        return conversation
    # A topic that was made anew starts its offsets anew: then the later time decides.
    conversation = replace(conversation, read=Place(max(read.time_ms, turn.place.time_ms), turn.place.offset))
    if turn.customer is not None:
        conversation = _with_customer(conversation, turn.customer)
    known = {kept.id for kept in conversation.turns} | set(conversation.fallen.ids)
    if turn.id in known:
        return conversation
    turn = turn._replace(text=_cut(turn.text, bounds.tokens // 2), customer=None)
    if turn.place <= conversation.fallen.newest:
        return replace(conversation, fallen=_with_fallen(conversation.fallen, [turn]))
    turns = sorted((*conversation.turns, turn))
    first = _first_kept(turns, bounds)
    return replace(conversation, turns=tuple(turns[first:]), fallen=_with_fallen(conversation.fallen, turns[:first]))


def before(conversation: Conversation, place: Place, bounds: Bounds) -> tuple[Turn, ...]:
    """Return the turns before a message: neither itself nor what came after it, and nothing older than is remembered."""
    return tuple(
        turn for turn in conversation.turns if place.time_ms - bounds.ttl_ms <= turn.place.time_ms and turn.place < place
    )


def _first_kept(turns: list[Turn], bounds: Bounds) -> int:
    """Return the index of the oldest turn that stays, of turns in their order."""
    oldest_ms = turns[-1].place.time_ms - bounds.ttl_ms
    tokens = 0
    for index in range(len(turns) - 1, -1, -1):
        tokens += tokens_of(turns[index].text)
        if len(turns) - index > bounds.turns or tokens > bounds.tokens or turns[index].place.time_ms < oldest_ms:
            return index + 1
    return 0


def _with_customer(conversation: Conversation, customer: str) -> Conversation:
    if customer in conversation.customers:
        return conversation
    if len(conversation.customers) == _MOST_CUSTOMERS:  # what nobody could ask to forget any more is not kept
        conversation = Conversation(read=conversation.read)
    return replace(conversation, customers=tuple(sorted((*conversation.customers, customer))))


def _with_fallen(fallen: Fallen, turns: Iterable[Turn]) -> Fallen:
    for turn in turns:
        speakers = dict(fallen.speakers)
        if turn.speaker is not None:
            known = turn.speaker in speakers or len(speakers) < _MOST_SPEAKERS
            name = turn.speaker if known else _OTHERS
            speakers[name] = speakers.get(name, 0) + 1
        fallen = Fallen(
            turns=fallen.turns + 1,
            tokens=fallen.tokens + tokens_of(turn.text),
            first=min(fallen.first or turn.place, turn.place),
            newest=max(fallen.newest, turn.place),
            speakers=speakers,
            ids=(*fallen.ids, turn.id)[-_REMEMBERED_IDS:],
        )
    return fallen


def _cut(text: str, most_tokens: int) -> str:
    if tokens_of(text) <= most_tokens:
        return text
    room = int(most_tokens * BYTES_PER_TOKEN) - len(_CUT.encode())
    return text.encode("utf-8", "replace")[:room].decode("utf-8", "ignore") + _CUT
