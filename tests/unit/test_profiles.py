"""Profiles: the first request of a known model is already a good one, and its end is told in time."""

from datetime import date, timedelta

import pytest

from workers.asking.capabilities import Capability
from workers.asking.model_card import ModelCard
from workers.batching.room import Room
from workers.profiles import WARN_DAYS, Profile, profile_of, shutdown_sentence
from workers.settings import load_settings
from workers.wiring.model import dialect_of, room_of, wishes_of

END = date(2026, 12, 11)


def model_settings(**flags):
    return load_settings({f"model.{name}": value for name, value in flags.items()}).model


def test_a_model_is_known_by_its_dated_name_too():
    """A snapshot is its model; a name of nobody is asked as any other model."""
    assert profile_of("gpt-5-nano-2025-08-07") == profile_of("gpt-5-nano") != Profile()
    assert profile_of("my-own-model") == Profile()


def test_the_default_model_is_told_not_to_reason():
    """Reasoning would be billed, eat the room of the answer, and forbid temperature and log-probabilities."""
    dialect = dialect_of(model_settings())
    assert (dialect.reasoning_effort, dialect.temperature) == ("none", 0)
    assert wishes_of(model_settings()).insisted == frozenset()


def test_what_the_operator_sets_goes_before_the_profile():
    """An effort, a temperature and log-probabilities that he names are sent and never left out."""
    mine = model_settings(name="gpt-5-nano", reasoning_effort="low", temperature=1, logprobs="on")
    assert (dialect_of(mine).reasoning_effort, dialect_of(mine).temperature) == ("low", 1)
    assert wishes_of(mine).logprobs == "on"
    assert wishes_of(mine).insisted == {"reasoning_effort", "temperature"}


def test_what_a_model_is_known_to_refuse_is_not_sent():
    """gpt-5-nano takes no temperature and has no log-probabilities."""
    theirs = model_settings(name="gpt-5-nano")
    assert (dialect_of(theirs).reasoning_effort, dialect_of(theirs).temperature) == ("minimal", None)
    assert wishes_of(theirs).logprobs == "off"


def test_an_effort_that_is_off_is_left_out_and_none_is_an_effort():
    """Also where the profile knows one."""
    assert dialect_of(model_settings(reasoning_effort="off")).reasoning_effort is None
    assert dialect_of(model_settings(reasoning_effort="none")).reasoning_effort == "none"


def test_what_is_forced_or_forbidden_reaches_the_route():
    """Switches become wishes, and what is forbidden is not asked for."""
    mine = model_settings(json_schema="on", usage="on", service_tier="flex")
    assert wishes_of(mine).insisted == {"response_format"}
    assert wishes_of(mine).required == {Capability.USAGE}
    assert (dialect_of(mine).reply, dialect_of(mine).service_tier) == ("json_schema", "flex")
    assert dialect_of(model_settings(json_schema="off")).reply == "json_object"


def test_the_room_is_as_set_or_told_or_known():
    """The operator knows his own server best; then the endpoint; then the profile."""
    told = ModelCard(None, 8_192, 1_024)
    assert room_of(model_settings(name="gpt-5-nano")) == Room(400_000, 128_000)
    assert room_of(model_settings(name="gpt-5-nano"), told) == Room(8_192, 1_024)
    assert room_of(model_settings(name="mine", context_tokens=2_048), told) == Room(2_048, 1_024)
    assert room_of(model_settings(name="mine")) == Room()


def test_a_tier_has_a_price_of_its_own():
    """What is not listed is unknown, not that of the standard tier."""
    assert model_settings(service_tier="flex").price().output == model_settings().price().output / 2
    assert model_settings(service_tier="default").price() == model_settings().price()
    assert model_settings(name="gpt-5-nano", service_tier="flex").price() is None


@pytest.mark.parametrize(
    ("days", "said"), [(WARN_DAYS + 1, None), (WARN_DAYS, "in 60 days"), (0, "in 0 days"), (-1, "1 days ago")]
)
def test_the_end_of_a_model_is_told_in_time(days, said):
    """From two months before; silent while it is far, or where no date is known."""
    sentence = shutdown_sentence("nano", END, END - timedelta(days=days))
    assert (sentence is None) == (said is None)
    assert said is None or said in sentence
    assert shutdown_sentence("nano", None, END) is None
