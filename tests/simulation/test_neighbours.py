"""The real pipeline in virtual time over a model whose labels depend on the company: calls get smaller until they do not."""

import asyncio
import random
from zlib import crc32

from tests.fakes.neighbours import turned
from tests.fakes.scripted_model import ScriptedModel
from tests.simulation.steady import steady
from tests.simulation.virtual import run_virtually
from workers.asking.model import Broken

TARGET = 0.06
FLAGS = {"guard.share": 0.5, "guard.flips": TARGET, "limits.adaptive": False}


def right(text):
    return "A" if crc32(text.encode()) % 2 else "B"


class CompanyModel(ScriptedModel):
    """Takes 20 ms. `strength` is the planted effect of neighbours, `noise` how often a label is wrong whatever the company."""

    def __init__(self, strength=0.0, noise=0.0, seed=1):
        super().__init__(lambda text: {"intent": right(text)})
        self.strength, self.noise, self.seed, self.rng = strength, noise, seed, random.Random(seed)
        self.always = lambda items: lambda reply: self._reply(items, reply)

    async def ask(self, question):
        await asyncio.sleep(0.02)
        return await super().ask(question)

    def _reply(self, items, reply):
        wrong = turned([item["text"] for item in items], self.seed, self.strength)
        for place, one in enumerate(reply):
            if place in wrong or self.rng.random() < self.noise:
                one["intent"] = "B" if one["intent"] == "A" else "A"
        return reply


def wrong_among(run, start, end):
    """Return the share of wrong labels among these events."""
    names = {"A": "a", "B": "b"}
    numbered = list(enumerate(run.events))[start:end]
    return sum(event["fields"]["intent"]["value"] != names[right(f"text {n}")] for n, event in numbered) / len(numbered)


def test_a_planted_neighbour_effect_brings_calls_down_until_flips_are_below_the_target():
    """At 16 a call 60 % of the labels are wrong by their company; in the end, at two, fewer than the target of 6 %."""
    run = run_virtually(steady(CompanyModel(strength=0.04), 3, 300.0, 6_000, 2, FLAGS))
    assert wrong_among(run, 0, 300) > 2 * TARGET
    assert wrong_among(run, -2_000, None) <= TARGET
    assert run.sample("nanotriage_guard_trusted_items") == 2


def test_without_an_effect_calls_stay_large_and_nothing_is_flipped():
    """No false alarm in some thousand comparisons, and the bound on flips is shown to be below the target."""
    run = run_virtually(steady(CompanyModel(), 4, 300.0, 3_000, 2, FLAGS))
    assert run.sample("nanotriage_guard_trusted_items") == 16
    assert run.sample("nanotriage_guard_flip_rate", items="16") == 0
    assert 0 < run.sample("nanotriage_guard_flip_bound", items="16") < TARGET
    assert 0 < run.sample("nanotriage_guard_place_flip_bound", place="3-4") < TARGET
    assert 0 < run.sample("nanotriage_guard_label_flip_bound", field="intent", label="a") < TARGET
    assert wrong_among(run, 0, None) == 0


def test_a_model_that_errs_by_chance_alone_keeps_its_calls_large():
    """One label in twelve is wrong whatever the company: that is no effect of neighbours, and small calls would not mend it."""
    run = run_virtually(steady(CompanyModel(noise=1 / 12), 5, 300.0, 3_000, 2, FLAGS))
    assert run.sample("nanotriage_guard_trusted_items") == 16


def test_what_is_asked_again_changes_no_event_and_counts_in_the_calls():
    """Whatever comes of the second question, also nothing usable, each message keeps the one event of the first."""
    model, answered = CompanyModel(), set()

    def spoil(items):
        texts = {item["text"] for item in items}
        if texts <= answered:
            return Broken("no choice")
        answered.update(texts)
        return None

    model.always = spoil
    run = run_virtually(steady(model, 6, 300.0, 1_000, 2, FLAGS))
    assert len(run.events) == 1_000
    assert run.sample("nanotriage_records_done_total", outcome="labelled") == 1_000
    again = run.sample("nanotriage_model_calls_total", outcome="broken")
    assert again > 50
    assert len(run.calls) == again + run.sample("nanotriage_model_calls_total", outcome="answer")
    assert run.sample("nanotriage_items_reasked_total", why="missing") == 0
