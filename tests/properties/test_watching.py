"""Watching for drift: quiet traffic raises nothing beyond what is stated, a shift is found in few messages, once, and its end too."""

import random
from collections import Counter
from dataclasses import replace

import jsonschema
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.drift import DriftEvent
from schemas.events import json_schema
from workers.setting_model import Price
from workers.stateful.seasons import Rule
from workers.stateful.serving import drift_exposition
from workers.stateful.watching import Watcher
from workers.stateful.windows import Summary, Windows
from workers.summing import CONFIDENCE, added

LOOK, SLOT, DAY = 60_000, 600_000, 86_400_000
RULE = Rule(LOOK, SLOT, "none", quiet_ms=DAY, adopt_ms=DAY)
MIX = {"cancel": 0.5, "track": 0.3, "praise": 0.2}
OTHER = {"cancel": 0.2, "track": 0.3, "praise": 0.5}


class Watched:
    """A watcher, the tables it decides by, and every alert in the order in which it was published."""

    def __init__(self, rule=RULE, prices=None):
        self.state, self.alerts, self.told = {}, {}, []
        self.watcher = Watcher(rule, Windows(rule.look_ms, DAY, prices or {}), self.state, self.alerts)

    def takes(self, at_ms, sums, tenant=None, now_ms=None):
        """A commit's summary, read at its time or at `now_ms`."""
        windows = self.watcher.windows
        for window, row in windows.changes(Summary("t", at_ms, [(tenant, "m", sums)])):
            windows.rows[window] = added(windows.rows.get(window, {}), row)
        self.decide(at_ms, now_ms)

    def decide(self, at_ms, now_ms=None):
        for decision in self.watcher.due("t", at_ms, at_ms if now_ms is None else now_ms):
            self.told += [orjson.loads(value) for value in decision.alerts.values()]
            self.alerts.update(decision.alerts)
            self.state.update(decision.state)

    def said(self):
        return [(alert["kind"], alert["state"]) for alert in self.told]


def sums(n, chance, mix=None, unknown=0.05, dead=0.0, tokens=100.0, sure=0.8):
    """The sums of n messages drawn at random."""
    mix = mix or MIX
    gone = sum(chance.random() < dead for _ in range(n))
    unknowns = sum(chance.random() < unknown for _ in range(n - gone))
    labels = Counter(chance.choices(list(mix), list(mix.values()), k=n - gone - unknowns)) | Counter({"unknown": unknowns})
    confident = sum(chance.random() < sure for _ in range(n - gone))
    classes = [0] * (len(CONFIDENCE) + 1)
    classes[1], classes[6] = n - gone - confident, confident
    return {
        "messages": n,
        "labelled": n - gone - unknowns,
        "escalated": unknowns,
        "dead": gone,
        "labels": {"intent": dict(labels)},
        "confidence": {"intent": classes},
        "tokens": {"input": n * tokens, "cached": 0.0, "output": float(n)},
    }


def looks(watched, first, count, chance, n=60, **changed):
    """Let so many looks go by, from this one on."""
    for look in range(first, first + count):
        watched.takes(look * watched.watcher.rule.look_ms + 1, sums(n, chance, **changed))
    return first + count


def learnt(rule=RULE, seed=1, **changed):
    """A watcher that has seen thirty quiet looks, and the next look."""
    watched, chance = Watched(rule), random.Random(seed)
    return watched, chance, looks(watched, 10, 31, chance, **changed)


def test_false_alarms_are_as_rare_as_is_stated():
    """Without any least size, and with a risk of one alarm in twenty looks, four hundred quiet looks raise twenty at most."""
    rule = replace(RULE, stability=0.0, times=0.0, points=-1.0, burst=0.0, quiet_ms=20 * LOOK, adopt_ms=LOOK)
    raised = 0
    for seed in range(4):
        watched, chance = Watched(rule), random.Random(seed)
        looks(watched, 0, 100, chance, n=20)
        raised += sum(state == "raised" for _, state in watched.said())
    assert raised <= 20


SHIFTS = {
    "labels": {"mix": OTHER},
    "confidence": {"sure": 0.4},
    "unknown": {"unknown": 0.3},
    "dead": {"dead": 0.15},
    "cost": {"n": 300},
}


@pytest.mark.parametrize("kind", SHIFTS)
@pytest.mark.parametrize("seed", range(3))
def test_a_shift_is_found_within_three_looks_of_sixty_messages(kind, seed):
    """Each of its own kind; an alert obeys the schema, and has both samples."""
    watched, chance, look = learnt(seed=seed)
    assert watched.told == []
    looks(watched, look, 4, chance, **SHIFTS[kind])
    alert = next(alert for alert in watched.told if alert["kind"] == kind)
    assert alert["size"] >= alert["size_limit"]
    assert alert["evidence"] >= alert["evidence_needed"] > 3
    jsonschema.validate(alert, json_schema("drift.v1"))
    assert sum(DriftEvent.model_validate(alert).now.counts.values()) > 0
    assert alert["before"]["looks"] == 30 // 10 * 10
    assert watched.watcher.on()


def test_a_clock_that_is_ahead_ends_no_look_before_its_time():
    """One summary is a year ahead of the clock; a shift right after it is found all the same."""
    watched, chance, look = learnt()
    watched.takes(look * LOOK + 365 * DAY, sums(1, chance), now_ms=look * LOOK)
    looks(watched, look, 4, chance, **SHIFTS["labels"])
    assert ("labels", "raised") in watched.said()


@pytest.mark.parametrize("later", [0, 4, 7])
def test_an_excursion_is_told_once_and_its_end_once(later):
    """However long it lasts, and wherever in its slot it begins and ends; and again when it comes again."""
    watched, chance, look = learnt()
    look = looks(watched, look, later, chance)
    for _ in range(2):
        look = looks(watched, look, 25, chance, mix=OTHER)
        assert [alert["kind"] for alert in watched.watcher.on()] == ["labels"]
        look = looks(watched, look, 25, chance)
        assert watched.watcher.on() == []
    assert watched.said() == [("labels", "raised"), ("labels", "cleared")] * 2
    assert {alert["because"] for alert in watched.told} == {"shifted", "back"}


def test_what_lasts_is_what_comes_from_now_on():
    """The alert ends, what was before it is forgotten, and the old traffic would now be the shift."""
    watched, chance, look = learnt(replace(RULE, adopt_ms=3 * SLOT))
    look = looks(watched, look, 75, chance, mix=OTHER)
    assert [alert["because"] for alert in watched.told] == ["shifted", "adopted"]
    looks(watched, look, 5, chance)
    assert [alert["because"] for alert in watched.told] == ["shifted", "adopted", "shifted"]


@pytest.mark.parametrize(("season", "quiet"), [("day", True), ("none", False)])
def test_night_is_no_drift_of_day(season, quiet):
    """With a season, hours are compared with their like; without one the control shows what would be said."""
    watched, chance = Watched(Rule(1_800_000, 3_600_000, season, quiet_ms=30 * DAY, adopt_ms=DAY)), random.Random(2)
    for look in range(48 * 5):
        mix = MIX if look % 48 < 24 else OTHER
        watched.takes(look * 1_800_000 + 1, sums(100 if look % 48 < 24 else 40, chance, mix=mix))
    assert (watched.told == []) is quiet


def test_traffic_in_bursts_is_no_burst_of_cost():
    """Looks that cost twice or half as much as usual are usual, when they were so before; ten times are not."""
    watched, chance = Watched(), random.Random(4)
    for look in range(10, 210):
        watched.takes(look * LOOK + 1, sums(chance.choice([10, 20, 80]), chance))
    assert "cost" not in {kind for kind, _ in watched.said()}
    looks(watched, 210, 3, chance, n=500)
    assert ("cost", "raised") in watched.said()


def test_costs_are_each_tenants_own_and_in_dollars_where_there_is_a_price():
    """One tenant's burst is not said of another."""
    watched, chance = Watched(prices={"m": Price(input=1.0, cached=0.1, output=4.0)}), random.Random(6)
    for look in range(10, 45):
        for tenant in ("a", "b"):
            watched.takes(look * LOOK + 1, sums(400 if tenant == "b" and look >= 42 else 40, chance), tenant)
    costs = {(alert["tenant"], alert["model"], alert["field"]) for alert in watched.told if alert["kind"] == "cost"}
    assert costs == {("b", None, "dollars")}


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 70), st.booleans())
def test_a_kill_neither_loses_nor_repeats_an_alert(killed_at, told):
    """Whether the alerts of a look were in their log before it, or nothing: what is read again decides the same."""
    whole, cut = Watched(), Watched()
    for watched in (whole, cut):
        chance = random.Random(8)
        for step in range(70):
            mix = OTHER if 35 <= step < 45 else MIX
            row, at = sums(60, chance, mix=mix), (10 + step) * LOOK + LOOK // 2
            watched.watcher.windows.rows.update(
                (window, added(watched.watcher.windows.rows.get(window, {}), added_row))
                for window, added_row in watched.watcher.windows.changes(Summary("t", at, [(None, "m", row)]))
            )
            if watched is cut and step == killed_at:
                decision = next(iter(watched.watcher.due("t", at, at)), None)
                if decision is not None and told:
                    watched.told += [orjson.loads(value) for value in decision.alerts.values()]
                    watched.alerts.update(decision.alerts)
                watched.watcher = Watcher(RULE, watched.watcher.windows, watched.state, watched.alerts)
            watched.decide(at)
    assert cut.told == whole.told
    assert cut.state == whole.state
    assert [state for _, state in whole.said()] == ["raised", "cleared"]


def test_what_is_on_is_exposed():
    """As JSON, and as a gauge that is 0 for what is compared and quiet."""
    watched, chance, look = learnt()
    looks(watched, look, 3, chance, mix=OTHER)
    text = drift_exposition(watched.watcher).decode()
    assert 'nanotriage_drift_alert{field="intent",kind="labels",model="m",task="t",tenant=""} 1.0' in text
    assert 'nanotriage_drift_alert{field="",kind="dead",model="m",task="t",tenant=""} 0.0' in text
    assert "nanotriage_drift_size{" in text


def test_summaries_that_come_late_and_gaps_decide_nothing_twice():
    """A look is decided once; after a day of silence the watcher goes on."""
    watched, chance, look = learnt()
    marks = dict(watched.state)
    watched.takes((look - 20) * LOOK, sums(60, chance, mix=OTHER))
    assert watched.state == marks
    looks(watched, look + 1440, 12, chance)
    assert watched.told == []
