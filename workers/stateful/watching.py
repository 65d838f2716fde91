"""Watching for drift: at the end of a look, what of a task's traffic is no longer what it was, and what is again. Pure.

Looks end by the times of summaries, not by a clock, so that reading them again decides the same. A look's evidence is compared
with 1/risk, the risk being the task's (one false alarm in `quiet_ms`) shared out over the looks and over what is compared at
each; since the evidence has an expectation of one at most whenever traffic is exchangeable with its baseline, the expected
number of false alarms is what is stated, however the comparisons depend on each other.

An alert is one record under its key: what is raised is not raised again, also not by a process that starts in the midst of it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from math import log
from typing import Any, NamedTuple

import orjson

from schemas.drift import DRIFT_EVENT, DriftKind
from workers.stateful.baselines import Baseline, Series, Slot, counts_of, spending_of
from workers.stateful.comparing import SHIFTS, Compared, Spending, Subject, compared, kept_of, overspent, samples
from workers.stateful.seasons import Rule
from workers.stateful.traffic import costs_of_looks, sums_of
from workers.stateful.windows import Windows

_CLEARING_LOOKS = 3
_LN10 = log(10.0)


class Decision(NamedTuple):
    """What a look changes: alerts, which must be in their log before the state is."""

    alerts: Mapping[bytes, bytes]
    state: Mapping[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Seen:
    """A comparison of the last look. `part` is how much of the evidence that an alert takes there is."""

    series: Series
    subject: Subject
    size: float
    part: float


@dataclass(frozen=True, slots=True)
class _Tried:
    series: Series
    subject: Subject
    found: Compared
    slots: tuple[Slot, ...]
    now: Mapping[str, float]


@dataclass(slots=True)
class Watcher:
    """Decides about the tasks of this process. `state` and `alerts` are tables that somebody else writes to."""

    rule: Rule
    windows: Windows
    state: Mapping[bytes, bytes]
    alerts: Mapping[bytes, bytes]
    seen: dict[str, list[Seen]] = field(default_factory=dict)

    def due(self, task: str, at_ms: int, now_ms: int) -> Iterator[Decision]:
        """Yield what looks decide that are over once the task's summaries are at this time. Write one before asking on.

        No look is over before it is `now_ms`: by a summary of a worker whose clock is a year ahead, a year's looks would be.
        """
        rule, key = self.rule, orjson.dumps(["mark", task])
        edge = rule.look_of(min(at_ms, now_ms) - rule.late_ms)
        mark = self.state.get(key)
        if mark is None:
            yield Decision({}, {key: orjson.dumps({"decided": edge, "since": edge})})
            return
        decided, since = (orjson.loads(mark)[name] for name in ("decided", "since"))
        if edge <= decided:
            return
        starts = {rule.look_of(window.start_ms) for window in self.windows.rows if window.task == task}
        for start in sorted({at for at in starts if decided <= at < edge} | {edge - rule.look_ms}):
            changed = self._closed_slots(task, max(since, decided), start, since)
            alerts = self._alerts(task, start, {**self.state, **changed})
            decided = start + rule.look_ms
            yield Decision(alerts, changed | {key: orjson.dumps({"decided": decided, "since": since})})

    def on(self) -> list[dict[str, Any]]:
        """Return the alerts that are on, as they were published."""
        known = [orjson.loads(value) for _, value in sorted(self.alerts.items())]
        return [alert for alert in known if alert["state"] == "raised"]

    def _closed_slots(self, task: str, decided: int, until: int, since: int) -> dict[bytes, bytes]:
        """Return the baselines after those slots that have ended since the last look; what was watched in part is left out."""
        rule, changed = self.rule, dict[bytes, bytes]()
        first = max(rule.slot_of(decided - 1), since)
        ended = {s for w in self.windows.rows if first <= (s := rule.slot_of(w.start_ms)) and s + rule.slot_ms <= until}
        for start in sorted(ended):
            for series, sums in sums_of(self.windows, task, start, start + rule.slot_ms).items():
                if sums["messages"] >= rule.least:
                    self._add(changed, series, Slot(start, kept_of(sums), {}, self._out(series, start)))
            looks = range(start, start + rule.slot_ms, rule.look_ms)
            for series, spent in costs_of_looks(self.windows, task, looks).items():
                if max(one.messages for one in spent.values()) >= rule.least:
                    self._add(changed, series, Slot(start, {}, spent, self._out(series, start)))
        return changed

    def _add(self, changed: dict[bytes, bytes], series: Series, slot: Slot) -> None:
        key = _baseline_key(series, self.rule.name_of(slot.at_ms))
        before = Baseline.read(changed.get(key, self.state.get(key)))
        changed[key] = before.plus(slot, self.rule.kept).value()

    def _out(self, series: Series, start: int) -> list[str]:
        """Return the subjects of the series with an alert that was on in the slot that began then."""
        told = (orjson.loads(value) for value in self.alerts.values())
        mine = [one for one in told if (one["task"], one["tenant"], one["model"]) == series]
        return [
            str(Subject(DriftKind(one["kind"]), one["field"]))
            for one in mine
            if one["state"] == "raised" or one["at_ms"] > start
        ]

    def _alerts(self, task: str, start: int, state: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
        """Return what is raised and cleared at the end of the look that began then."""
        rule, end = self.rule, start + self.rule.look_ms
        tried = [*self._compared(task, start, state), *self._costs_compared(task, start, state)]
        needed = log(max(1, len(tried)) * rule.quiet_ms / rule.look_ms)
        self.seen[task] = [Seen(t.series, t.subject, t.found.size, max(0.0, t.found.evidence / needed)) for t in tried]
        changed = {}
        for one in tried:
            alert = self._alert(one.series, one.subject)
            off = alert is None or (alert["state"] == "cleared" and alert["at_ms"] < end)
            if off and one.found.large and one.found.evidence >= needed:
                trusted = 0 if alert is None else alert["trusted_from_ms"]
                changed[_alert_key(one.series, one.subject)] = orjson.dumps(self._raised(one, start, needed, trusted))
        for alert in self.on():
            if alert["task"] == task and (why := self._over(alert, end, state)) is not None:
                trusted = end if why == "adopted" else alert["trusted_from_ms"]
                cleared = alert | {"state": "cleared", "because": why, "at_ms": end, "trusted_from_ms": trusted}
                changed[_alert_key(*_about(alert))] = orjson.dumps(cleared)
        return changed

    def _compared(self, task: str, start: int, state: Mapping[bytes, bytes]) -> Iterator[_Tried]:
        rule, end = self.rule, start + self.rule.look_ms
        since = cache(lambda first: sums_of(self.windows, task, first, end))
        for series, sums in since(start).items():
            baseline = self._baseline(series, start, state)
            for subject, counts in samples(sums).items():
                slots = baseline.trusted(subject, self._trusted_from(series, subject))
                before = counts_of(slots, subject)
                if sum(counts.values()) and sum(before.values()):
                    firsts = self._firsts(series, subject, start)
                    looks = [samples(since(first)[series])[subject] for first in firsts]
                    yield _Tried(series, subject, compared(subject, looks, before, rule), slots, counts)

    def _costs_compared(self, task: str, start: int, state: Mapping[bytes, bytes]) -> Iterator[_Tried]:
        rule, end = self.rule, start + self.rule.look_ms
        since = cache(lambda first: costs_of_looks(self.windows, task, range(first, end, rule.look_ms)))
        for series, units in since(start).items():
            baseline = self._baseline(series, start, state)
            for unit, spent in units.items():
                subject = Subject(DriftKind.COST, unit)
                slots = baseline.trusted(subject, self._trusted_from(series, subject))
                before = spending_of(slots, unit)
                if before.total:
                    looks = [since(first)[series][unit] for first in self._firsts(series, subject, start)]
                    yield _Tried(series, subject, overspent(looks, before, rule), slots, {unit: spent.total})

    def _firsts(self, series: Series, subject: Subject, start: int) -> set[int]:
        """Return from when on the subject is compared at this look: the look alone, and what of its slot no alert was about."""
        alert = self._alert(series, subject)
        return {start, min(start, max(self.rule.slot_of(start), 0 if alert is None else alert["at_ms"]))}

    def _over(self, alert: Mapping[str, Any], end: int, state: Mapping[bytes, bytes]) -> str | None:
        """Return why an alert that is on is over, or None."""
        rule, (series, subject) = self.rule, _about(alert)
        if end - alert["since_ms"] >= rule.adopt_ms:
            return "adopted"
        start = end - _CLEARING_LOOKS * rule.look_ms
        slots = self._baseline(series, end - rule.look_ms, state).trusted(subject, alert["trusted_from_ms"])
        if start < alert["since_ms"] or not slots:
            return None
        if subject.kind is DriftKind.COST:
            unit = subject.field or ""
            spent = costs_of_looks(self.windows, series.task, range(start, end, rule.look_ms)).get(series, {})
            now = spent.get(unit, Spending(_CLEARING_LOOKS))
            return "back" if overspent([now], spending_of(slots, unit), rule).small else None
        counts = samples(sums_of(self.windows, series.task, start, end).get(series, {})).get(subject, {})
        if sum(counts.values()) < rule.least:
            return None
        return "back" if compared(subject, [counts], counts_of(slots, subject), rule).small else None

    def _raised(self, one: _Tried, start: int, needed: float, trusted_from: int) -> dict[str, Any]:
        rule, end = self.rule, start + self.rule.look_ms
        cost = one.subject.kind is DriftKind.COST
        field_name = one.subject.field or ""
        before = {field_name: spending_of(one.slots, field_name).total} if cost else counts_of(one.slots, one.subject)
        looks = len(one.slots) * rule.slot_ms // rule.look_ms
        first, last = one.slots[0].at_ms, one.slots[-1].at_ms + rule.slot_ms
        return {
            "event": DRIFT_EVENT,
            "state": "raised",
            "because": "shifted",
            "kind": one.subject.kind,
            "task": one.series.task,
            "tenant": one.series.tenant,
            "model": one.series.model,
            "field": one.subject.field,
            "since_ms": end,
            "at_ms": end,
            "trusted_from_ms": trusted_from,
            "now": {"start_ms": start, "end_ms": end, "looks": 1, "counts": one.now},
            "before": {"start_ms": first, "end_ms": last, "looks": looks, "counts": before},
            "measure": "stability_index" if one.subject.kind in SHIFTS else "times",
            "size": one.found.size,
            "size_limit": one.found.limit,
            "evidence": one.found.evidence / _LN10,
            "evidence_needed": needed / _LN10,
        }

    def _baseline(self, series: Series, at_ms: int, state: Mapping[bytes, bytes]) -> Baseline:
        return Baseline.read(state.get(_baseline_key(series, self.rule.name_of(at_ms))))

    def _alert(self, series: Series, subject: Subject) -> dict[str, Any] | None:
        value = self.alerts.get(_alert_key(series, subject))
        return None if value is None else orjson.loads(value)

    def _trusted_from(self, series: Series, subject: Subject) -> int:
        alert = self._alert(series, subject)
        return 0 if alert is None else int(alert["trusted_from_ms"])


def _baseline_key(series: Series, name: int) -> bytes:
    return orjson.dumps(["slots", *series, name])


def _alert_key(series: Series, subject: Subject) -> bytes:
    return orjson.dumps([*series, subject.kind, subject.field])


def _about(alert: Mapping[str, Any]) -> tuple[Series, Subject]:
    series = Series(alert["task"], alert["tenant"], alert["model"])
    return series, Subject(DriftKind(alert["kind"]), alert["field"])
