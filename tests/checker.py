"""Judges a run from its topics alone, after the manner of Jepsen (https://jepsen.io): what went in, what came out, what is committed.

Knows the events' headers and the commit map, and nothing of how a worker works. Pure.

    I1  every input record has exactly one terminal event, and every event an input record
    I2  no event id is there twice
    I3  a read_committed reader sees what the log says is committed: nothing aborted, and all the rest
        in a run without any fault nothing is aborted at all: lanes do not disturb each other
    I4  what is committed (position and map) is exactly what was published
    I5  no commit takes back what an earlier one said
    I6  in each output partition, the events of one Kafka key (or of one input partition, or of none) are in input order
    I7  two readers at the same time see the same
    and an event speaks of its input record: same message id, same key, a dead letter the same bytes

I3, I5 and I7 need evidence that not every run collects. The checker is told which promise and which order hold: at least once, I1
is "one or more", I2 is void, and I6 is judged of the first event of an input.
"""

import hashlib
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from enum import Enum
from typing import Literal

import orjson

from tests.log_truth import Fate
from topics.commit_map import UnknownMap, decode
from topics.record import Committed, Partition, Record

_EXAMPLES = 5
_LARGE_KEY = 65_536  # bytes; a dead letter may have to do without
Origin = tuple[Partition, int]


class Promise(Enum):
    """What a run promised of its events."""

    EXACTLY_ONCE = "exactly_once"
    AT_LEAST_ONCE = "at_least_once"


Order = Literal["key", "partition", "none"]


@dataclass(frozen=True, slots=True)
class Finding:
    """How often one thing went wrong, and the first few places."""

    count: int = 0
    examples: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of a run beyond its records.

    `fates` of the output partitions' records, by the brokers' own files. `commits` of the group, in the order in which they
    took effect, `sampled` what a client was told of them now and then. `second` is what another reader saw of each output
    partition: offsets and digests, in order; None without one. `calm` says that nothing was made to fail.
    """

    fates: Mapping[Partition, Fate]
    commits: Sequence[Committed]
    second: Mapping[Partition, Sequence[tuple[int, int]]] | None = None
    sampled: Sequence[Committed] = ()
    calm: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """Counts of records and of what is wrong with them. All findings are zero in a run that kept its promise.

    `repeats` counts events beyond the first of their input, whether or not they are a finding.
    """

    inputs: int
    events: int
    repeats: int
    by_topic: Mapping[str, int]
    lost: Finding
    doubled: Finding
    alien: Finding
    repeated_ids: Finding
    uncommitted: Finding
    overcommitted: Finding
    misordered: Finding
    mismatched: Finding
    aborted: Finding = Finding()
    hidden: Finding = Finding()
    regressed: Finding = Finding()
    disagreed: Finding = Finding()
    disturbed: Finding = Finding()

    @property
    def findings(self) -> dict[str, Finding]:
        found = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: finding for name, finding in found.items() if isinstance(finding, Finding) and finding.count}

    @property
    def kept(self) -> bool:
        return not self.findings

    def __str__(self) -> str:
        wrong = [f"{finding.count} {name} ({'; '.join(finding.examples)})" for name, finding in self.findings.items()]
        return f"{self.inputs} inputs, {self.events} events ({self.repeats} repeated) {dict(self.by_topic)}: {', '.join(wrong) or 'all kept'}"


def message_id(record: Record) -> str | None:
    """Return the id of an input record whose value is JSON with an `id`; None for what is no such thing."""
    try:
        body = orjson.loads(record.value or b"")
    except orjson.JSONDecodeError:
        return None
    identity = body.get("id") if isinstance(body, dict) else None
    return identity if isinstance(identity, str) else None


def judge(
    inputs: Sequence[Record],
    outputs: Sequence[Record],
    committed: Mapping[Partition, Committed | None],
    *,
    identify: Callable[[Record], str | None] = message_id,
    evidence: Evidence | None = None,
    promise: Promise = Promise.EXACTLY_ONCE,
    order: Order = "key",
) -> Verdict:
    """Return the verdict on a run that has come to rest.

    `inputs` are all records of the source topics. `outputs` are all that a read_committed reader sees in the output topics,
    each partition's in offset order. `committed` has what the group committed for each source partition.
    """
    sources: dict[Origin, Record] = {(record.partition, record.offset): record for record in inputs}
    events: dict[Origin, list[Record]] = defaultdict(list)
    alien: list[str] = []
    for event in outputs:
        origin = origin_of(event)
        if origin is None or origin not in sources:
            alien.append(f"{event.partition}@{event.offset}")
        else:
            events[origin].append(event)
    once = promise is Promise.EXACTLY_ONCE
    ids = Counter(dict(event.headers).get("ce_id", b"") for event in outputs)
    done = {partition: _done(sources, partition, kept) for partition, kept in committed.items()}
    return Verdict(
        inputs=len(inputs),
        events=len(outputs),
        repeats=sum(len(found) - 1 for found in events.values()),
        by_topic=Counter(event.partition.topic for event in outputs),
        lost=_finding(_named(origin) for origin in sources if origin not in events),
        doubled=_finding(f"{_named(o)} has {len(found)}" for o, found in events.items() if len(found) > 1 and once),
        alien=_finding(alien),
        repeated_ids=_finding(
            f"{identity.decode()} {n} times" for identity, n in ids.items() if (n > 1 and once) or not identity
        ),
        uncommitted=_finding(_named(o) for o in events if o[1] not in done.get(o[0], frozenset())),
        overcommitted=_finding(_named((p, o)) for p, offsets in done.items() for o in offsets if (p, o) not in events),
        misordered=_finding(_misordered(sources, outputs if once else _first_events(events, outputs), order)),
        mismatched=_finding(_mismatches(sources, events, identify)),
        **({} if evidence is None else _by_evidence(outputs, evidence)),
    )


def digest(event: Record) -> int:
    """Return a short stand-in for an event's content."""
    return zlib.crc32(dict(event.headers).get("ce_id", b"") + (event.value or b""))


def _by_evidence(outputs: Sequence[Record], evidence: Evidence) -> dict[str, Finding]:
    first: dict[Partition, list[tuple[int, int]]] = {partition: [] for partition in evidence.fates}
    for event in outputs:
        first.setdefault(event.partition, []).append((event.offset, digest(event)))
    seen = {(partition, offset) for partition, found in first.items() for offset, _ in found}
    committed = {(partition, offset) for partition, fate in evidence.fates.items() for offset in fate.committed}
    second = first if evidence.second is None else evidence.second
    wasted = [(partition, offset) for partition, fate in evidence.fates.items() for offset in fate.aborted]
    return {
        "aborted": _finding(_named(origin) for origin in sorted(seen - committed)),
        "hidden": _finding(_named(origin) for origin in sorted(committed - seen)),
        "regressed": _finding([*_regressions(evidence.commits), *_regressions(evidence.sampled)]),
        "disagreed": _finding(
            str(p) for p in sorted(first.keys() | second.keys()) if first.get(p, []) != list(second.get(p, []))
        ),
        "disturbed": _finding(_named(origin) for origin in sorted(wasted) if evidence.calm),
    }


def _regressions(commits: Sequence[Committed]) -> Iterable[str]:
    """Name each commit that says less is done than one before it. An unreadable map names nothing."""
    last: dict[Partition, tuple[int, frozenset[int]]] = {}
    for commit in commits:
        partition, position = commit.position.partition, commit.position.offset
        above = decode(position, commit.metadata)
        named = frozenset[int]() if isinstance(above, UnknownMap) else above
        before, done = last.get(partition, (0, frozenset[int]()))
        if position < before or any(offset >= position and offset not in named for offset in done):
            yield f"{partition}: {position} after {before}"
        last[partition] = position, named


def origin_of(event: Record) -> Origin | None:
    """Return which input record an event says it comes from."""
    headers = dict(event.headers)
    try:
        partition = Partition(headers["nt_topic"].decode(), int(headers["nt_partition"]))
        return partition, int(headers["nt_offset"])
    except (KeyError, ValueError):
        return None


def _done(sources: Mapping[Origin, Record], partition: Partition, committed: Committed | None) -> frozenset[int]:
    """Return the offsets of input records that the group says are done. An unreadable map says that all or none is: take none."""
    if committed is None:
        return frozenset()
    position = committed.position.offset
    above = decode(position, committed.metadata)
    named = frozenset[int]() if isinstance(above, UnknownMap) else above
    return frozenset(o for p, o in sources if p == partition and (o < position or o in named))


def _first_events(events: Mapping[Origin, Sequence[Record]], outputs: Sequence[Record]) -> Sequence[Record]:
    """Return the first event of each input; of one with events in several partitions none, for nobody knows its first."""
    first = {id(found[0]) for found in events.values() if len({event.partition for event in found}) == 1}
    return [event for event in outputs if id(event) in first]


def _misordered(sources: Mapping[Origin, Record], outputs: Sequence[Record], order: Order) -> Iterable[str]:
    """Name each event that comes after one of its line with a higher offset. By key, a record without one waits for nobody."""
    last: dict[tuple[Partition, Partition, bytes], int] = {}
    if order == "none":
        return
    for event in outputs:
        origin = origin_of(event)
        source = sources.get(origin) if origin is not None else None
        if source is None or (source.key is None and order == "key"):
            continue
        line = (event.partition, source.partition, b"" if order == "partition" else source.key or b"")
        if source.offset < last.get(line, -1):
            yield f"{source.partition}@{source.offset} after {last[line]} of key {source.key!r} in {event.partition}"
        last[line] = max(source.offset, last.get(line, -1))


def _mismatches(
    sources: Mapping[Origin, Record], events: Mapping[Origin, Sequence[Record]], identify: Callable[[Record], str | None]
) -> Iterable[str]:
    for origin, found in events.items():
        source = sources[origin]
        for event in found:
            if (why := _mismatch(source, event, identify)) is not None:
                yield f"{_named(origin)}: {why}"


def _mismatch(source: Record, event: Record, identify: Callable[[Record], str | None]) -> str | None:
    headers = dict(event.headers)
    if event.key != source.key and not (event.key is None and len(source.key or b"") > _LARGE_KEY):
        return f"key {(event.key or b'')[:40]!r} instead of {(source.key or b'')[:40]!r}"
    if headers.get("ce_type", b"").startswith(b"nanotriage.dead."):
        return None if _same_bytes(source, event) else "a dead letter with other bytes"
    value = orjson.loads(event.value or b"{}")
    if value["message"]["id"] != identify(source):
        return f"message {value['message']['id']} instead of {identify(source)}"
    said = Partition(value["source"]["topic"], value["source"]["partition"]), value["source"]["offset"]
    return None if said == (source.partition, source.offset) else "body and headers name different sources"


def _same_bytes(source: Record, letter: Record) -> bool:
    """Tell whether a dead letter has the source's value, or the hash of one too large to keep; an event too large has none."""
    headers = dict(letter.headers)
    if headers.get("nt_reason") == b"event_too_large":
        return letter.value is None
    if "nt_cut_sha256" in headers:
        return headers["nt_cut_sha256"].decode() == hashlib.sha256(source.value or b"").hexdigest()
    return letter.value == source.value


def _named(origin: Origin) -> str:
    return f"{origin[0]}@{origin[1]}"


def _finding(examples: Iterable[str]) -> Finding:
    named = list(examples)
    return Finding(len(named), tuple(named[:_EXAMPLES]))
