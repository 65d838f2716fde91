"""Which answered messages are asked again, and what their answers mean."""

import random

import pytest

from schemas.message import Message
from workers.guarding.sampling import Alone, Outcome, Sampling, Shuffled, band_of, judged

A, B, C = {"intent": "a"}, {"intent": "b"}, {"intent": None}


def messages(count):
    return [Message(f"text {number}", str(number), None, None, {}) for number in range(count)]


def chosen(share, calls, items=10, seed=1, labels=A):
    sampling, rng = Sampling(share), random.Random(seed)
    return [one for _ in range(calls) for one in sampling.choose(messages(items), [labels] * items, rng.random)]


def test_the_share_is_kept_of_messages_and_of_calls():
    """Of 20,000 messages in 2,000 calls about two per cent of either."""
    samples = chosen(0.02, 2_000)
    assert sum(isinstance(one, Alone) for one in samples) == pytest.approx(400, rel=0.2)
    assert sum(isinstance(one, Shuffled) for one in samples) == pytest.approx(40, rel=0.4)


def test_every_place_is_chosen_alike():
    """Or a flip at the end of calls would be counted less."""
    places = [one.place for one in chosen(0.05, 4_000) if isinstance(one, Alone)]
    assert min(places.count(place) for place in range(10)) >= 0.7 * len(places) / 10


def test_whoever_is_alone_is_not_asked_again():
    """It shares its call with nobody."""
    assert chosen(0.5, 500, items=1) == []


def test_what_could_not_be_read_is_not_compared():
    """Alone it is left out, and a call with such a message is not asked in another order."""
    assert chosen(0.5, 100, labels=None) == []


def test_a_shuffled_call_has_the_same_messages_in_another_order():
    """With their labels and the places they had."""
    shuffled = [one for one in chosen(0.3, 200, items=2) if isinstance(one, Shuffled)]
    assert shuffled
    assert all(one.places == [1, 0] and [m.text for m in one.messages] == ["text 1", "text 0"] for one in shuffled)


@pytest.mark.parametrize(
    ("shared", "alone", "again", "outcome"),
    [(A, A, A, Outcome.SAME), (A, B, B, Outcome.FLIPPED), (A, B, A, Outcome.BACK), (A, B, C, Outcome.OTHER)],
)
def test_a_flip_is_an_answer_that_the_model_stands_by_when_asked_alone(shared, alone, again, outcome):
    """One that it does not stand by is its own doubt."""
    assert judged(shared, alone, again) is outcome


@pytest.mark.parametrize("sure", [0.5, 0.7, 0.95])
def test_a_model_that_answers_by_chance_scores_nothing_on_average(sure):
    """Its ups and downs cancel, whatever its chance: sharing a call did nothing."""
    rng, total = random.Random(7), 0
    for _ in range(20_000):
        shared, alone, again = (A if rng.random() < sure else B for _ in range(3))
        total += judged(shared, alone, again).score
    assert abs(total / 20_000) < 0.01


def test_places_are_counted_in_bands_that_double():
    """So that a metric has few of them."""
    assert [band_of(place) for place in (0, 1, 2, 3, 4, 7, 8, 15, 255)] == [
        *("1", "2", "3-4", "3-4", "5-8", "5-8", "9-16", "9-16", "129-256")
    ]


def test_a_share_of_nothing_or_all_is_refused():
    """The settings leave the guard out instead."""
    for share in (0.0, 1.0):
        with pytest.raises(ValueError):
            Sampling(share)
