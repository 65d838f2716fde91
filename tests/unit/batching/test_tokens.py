"""Token costs: told apart by calls of different sizes, proportional to bytes, never out of bounds."""

import random

import hypothesis.strategies as st
import orjson
import pytest
from hypothesis import given

from schemas.message import Message
from schemas.verdict import SignalKind
from tests.helpers import call_of
from workers.asking.prompt import Dialect, Prompt
from workers.batching.tokens import ITEM_BYTES, Call, TokenCost
from workers.taskfiles import load_task

STATIC = 4_000


class Provider:
    """Counts tokens by a law of its own."""

    def __init__(self, seed=1, static=1_150.0, bytes_per_token=4.4, overhead=9.0, opening=6.0, answer=21.0, noise=0.0):
        self.random = random.Random(seed)
        self.static, self.bytes_per_token, self.overhead = static, bytes_per_token, overhead
        self.opening, self.answer, self.noise = opening, answer, noise

    def call(self, sizes):
        body = STATIC + sum(size + ITEM_BYTES for size in sizes)
        return Call(body, len(sizes), int(self.input(sizes) * self.wrong()), int(self.output(sizes) * self.wrong()))

    def input(self, sizes):
        return self.static + sum(size / self.bytes_per_token + self.overhead for size in sizes)

    def output(self, sizes):
        return self.opening + self.answer * len(sizes)

    def wrong(self):
        return 1 + self.random.uniform(-self.noise, self.noise)

    def texts(self, most_items):
        return [self.random.randint(20, 1_200) for _ in range(self.random.randint(1, most_items))]


@given(st.text(), st.text())
def test_a_longer_text_never_costs_less(text, more):
    """By its bytes in UTF-8, and an item costs something even when it is empty."""
    cost = TokenCost(STATIC)
    assert 0 < cost.estimate("") <= cost.estimate(text) <= cost.estimate(text + more)
    assert cost.share(text) > cost.estimate(text)


@given(st.lists(st.tuples(st.integers(-5, 10**9), st.integers(-5, 500), st.integers(-5, 10**9), st.integers(-5, 10**9))))
def test_any_counts_keep_the_costs_within_bounds(calls):
    """A provider that counts nonsense cannot make a batch empty or boundless."""
    cost = TokenCost(STATIC)
    for body, items, tokens, output in calls:
        cost.learn(Call(body, items, tokens, output))
        assert 1.5 - 1e-9 <= cost.bytes_per_token <= 8.0 + 1e-9
        assert 100 < cost.static < 10_000
        assert 1 <= cost.share("x" * 400) < 3_000
        assert cost.per_item >= 0


@pytest.mark.parametrize("noise", [0.0, 0.03])
def test_calls_of_different_sizes_tell_the_static_part_from_the_messages(noise):
    """After 200 calls static part, price of a message and of its answer are the provider's, to a few percent."""
    provider, cost = Provider(noise=noise), TokenCost(STATIC)
    for _ in range(200):
        cost.learn(provider.call(provider.texts(16)))
    assert cost.static == pytest.approx(provider.static + provider.opening, rel=0.06)
    assert cost.bytes_per_token == pytest.approx(provider.bytes_per_token, rel=0.08)
    alone = provider.input([400]) - provider.static + provider.answer
    assert cost.share("x" * 400) == pytest.approx(alone, rel=0.08)


def test_calls_that_are_all_alike_are_predicted_as_a_whole():
    """Which part of a constant sum is static cannot be known; the sum is, and the noise does not add up."""
    provider, cost = Provider(noise=0.03), TokenCost(STATIC)
    for _ in range(3_000):
        cost.learn(provider.call([300] * 16))
    expected = provider.input([300] * 16) + provider.output([300] * 16)
    assert cost.static + 16 * cost.share("x" * 300) == pytest.approx(expected, rel=0.05)
    assert 0.5 * provider.static < cost.static < 2 * provider.static


def test_a_change_is_followed():
    """Another model behind the same name counts otherwise: a few hundred calls later the costs are its own."""
    cost = TokenCost(STATIC)
    for provider in (Provider(), Provider(seed=2, bytes_per_token=2.5, static=1_700.0, answer=40.0)):
        for _ in range(600):
            cost.learn(provider.call(provider.texts(16)))
    assert cost.static == pytest.approx(1_706, rel=0.06)
    assert cost.bytes_per_token == pytest.approx(2.5, rel=0.06)


def test_a_missing_count_teaches_nothing():
    """Some routes report no usage."""
    cost = TokenCost(STATIC)
    before = (cost.static, cost.share("some text"), cost.per_item)
    cost.learn(Call(10_000, 16, 0, 0))
    cost.learn(Call(10_000, 0, 100, 100))
    assert (cost.static, cost.share("some text"), cost.per_item) == before


def test_sixteen_messages_a_call_take_an_eighth_of_the_tokens_of_one_a_call():
    """On the shipped support task, with its real prompt and texts: prompt and answer, the same bytes per token for both."""
    loaded = load_task("support_tickets")
    prompt = Prompt(loaded.task, Dialect("m", SignalKind.LOGPROBS))
    lines = loaded.sample_path.read_bytes().splitlines()[:320]
    messages = [Message(orjson.loads(line)["body"], "", None, None, {}) for line in lines]
    answer = {name: "A" if name in loaded.task.classified() else None for name in loaded.task.fields}

    def per_message(size):
        total = 0
        for first in range(0, len(messages), size):
            refs = random.Random(first)
            question = call_of(prompt, messages[first : first + size], refs.randrange)
            total += len(question.body) + len(orjson.dumps({"r": [{"ref": ref, **answer} for ref in question.refs]}))
        return total / len(messages)

    assert per_message(16) <= per_message(1) / 8
